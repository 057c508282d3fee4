/** The Markdown of our cards: headings, paragraphs, lists and code, read into sections and drawn with colours. */
import type { Style } from './style.ts';
import { wrap } from './text.ts';

export type Block =
  | { readonly is: 'paragraph'; readonly text: string }
  | { readonly is: 'item'; readonly text: string }
  | { readonly is: 'code'; readonly lines: readonly string[] };

export interface Section {
  /** Empty for what stands before the first heading. */
  readonly heading: string;
  readonly blocks: readonly Block[];
}

export function sectionsOf(markdown: string): Section[] {
  const sections: { heading: string; blocks: Block[] }[] = [{ heading: '', blocks: [] }];
  let text: string[] = [];
  let code: string[] | undefined;
  const blocks = (): Block[] => sections.at(-1)?.blocks ?? [];
  const flush = (): void => {
    const joined = text.join(' ').trim();
    text = [];
    if (joined === '') return;
    if (/^[-*] /.test(joined)) blocks().push({ is: 'item', text: joined.slice(2) });
    else blocks().push({ is: 'paragraph', text: joined });
  };
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) {
      flush();
      if (code !== undefined) blocks().push({ is: 'code', lines: code });
      code = code === undefined ? [] : undefined;
    } else if (code !== undefined) code.push(line);
    else if (/^#{1,6} /.test(line)) {
      flush();
      sections.push({ heading: line.replace(/^#+ /, '').trim(), blocks: [] });
    } else {
      if (line.trim() === '' || /^[-*] /.test(line)) flush();
      text.push(line.trim());
    }
  }
  flush();
  return sections.filter(({ heading, blocks: own }) => heading !== '' || own.length > 0);
}

/** Stands for a blank within `code` while a text is wrapped: a command that a line break tears apart cannot be read. */
const KEPT_BLANK = '\ue000';
const LONGEST_CODE = 36;

export function keepCode(text: string): string {
  return text.replace(/`[^`]+`/g, (code) =>
    code.length > LONGEST_CODE ? code : code.replaceAll(' ', KEPT_BLANK),
  );
}

/** `code` and **strong** of a wrapped line. Without colours the backticks stay: they are all that marks a command then. */
export function inline(text: string, { paint }: Style): string {
  const code = paint.level === 0 ? text : text.replace(/`([^`]+)`/g, (_, inner: string) => paint.cyan(inner));
  return code
    .replace(/\*\*([^*]+)\*\*/g, (_, strong: string) => paint.bold(strong))
    .replaceAll(KEPT_BLANK, ' ');
}

export function renderBlocks(blocks: readonly Block[], style: Style, indent = 2): string[] {
  const pad = ' '.repeat(indent);
  const width = style.width - indent;
  return blocks.flatMap((block, index) => {
    const gap = index > 0 && !(block.is === 'item' && blocks[index - 1]?.is === 'item') ? [''] : [];
    if (block.is === 'code')
      return [...gap, ...block.lines.map((line) => `${pad}  ${style.paint.cyan(line)}`)];
    if (block.is === 'paragraph')
      return [...gap, ...wrap(keepCode(block.text), width).map((line) => pad + inline(line, style))];
    const [first = '', ...rest] = wrap(keepCode(block.text), width - 2);
    return [
      ...gap,
      `${pad}• ${inline(first, style)}`,
      ...rest.map((line) => `${pad}  ${inline(line, style)}`),
    ];
  });
}

/** A whole card, as `explain` shows it. */
export function renderMarkdown(markdown: string, style: Style, indent = 2): string[] {
  return sectionsOf(markdown).flatMap(({ heading, blocks }, index) => [
    ...(index > 0 ? [''] : []),
    ...(heading === '' ? [] : [style.paint.bold(heading)]),
    ...renderBlocks(blocks, style, indent),
  ]);
}

/** The text of one section as a paragraph; empty where there is none. */
export function sectionText(sections: readonly Section[], heading: string): string {
  const found = sections.find((section) => section.heading.toLowerCase() === heading.toLowerCase());
  return (found?.blocks ?? [])
    .map((block) => (block.is === 'code' ? block.lines.join(' ; ') : block.text))
    .join(' ');
}
