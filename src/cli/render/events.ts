/** An event as a line: when, what, to whom, and what more is known. */
import type { ContainerEvent } from '../../daemon/events.ts';
import { clean } from './text.ts';

export function eventLine({ time, action, id, name, image, attributes }: ContainerEvent): string {
  const more = Object.entries({ ...attributes, image, name })
    .map(([key, text]) => `${key}=${text}`)
    .join(', ');
  return clean(`${new Date(time).toISOString()} container ${action} ${id} (${more})`);
}
