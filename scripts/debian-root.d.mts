export const archive: string;
export function prepare(): boolean;
