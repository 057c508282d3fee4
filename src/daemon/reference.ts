/** How a user names an image. */
export interface Reference {
  readonly repository: string;
  /** Empty: none was given. */
  readonly tag: string;
}

/** Docker 1.2.0's rule: cut at the last `:`, unless what follows has a `/`; then it was a registry's port. */
export function parseReference(text: string): Reference {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || text.includes('/', colon)) return { repository: text, tag: '' };
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) };
}

export const DEFAULT_TAG = 'latest';
