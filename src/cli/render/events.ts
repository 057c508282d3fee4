/** An event as a line: when, what, to whom, and what more is known. */
import { kindOf, type ContainerEvent } from '../../daemon/events.ts';
import { clean } from './text.ts';

export function eventLine({ time, action, id, name, image, attributes }: ContainerEvent): string {
  const kind = kindOf(action);
  const words = kind === 'image' ? { ...attributes, name } : { ...attributes, image, name };
  const more = Object.entries(words)
    .map(([key, text]) => `${key}=${text}`)
    .join(', ');
  return clean(`${new Date(time).toISOString()} ${kind} ${action} ${id} (${more})`);
}
