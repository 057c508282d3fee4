/** The findings of `doctor`: a line each, and below it, where something is amiss, what that means and what to do. */
import type { Condition } from '../../doctor/check.ts';
import type { Diagnosis, Finding } from '../../doctor/doctor.ts';
import type { Style } from './style.ts';
import { clean, labelled, padTo, wrap } from './text.ts';

const MARKS: Readonly<Record<Condition, string>> = { ok: '✓', differs: '~', missing: '✗', unknown: '?' };
const TITLE = 24;

export function doctorText({ runs, summary, findings }: Diagnosis, style: Style): string {
  const { paint, width } = style;
  const verdict = runs
    ? paint.green('Containers can run here.')
    : paint.red.bold(`Containers cannot run here: ${lacking(findings)}.`);
  return [
    paint.bold(`   ${padTo('CHECK', TITLE)}SEEN`),
    ...findings.flatMap((finding) => lines(finding, style)),
    '',
    verdict,
    ...wrap(
      '✓ as a run wants it, ~ differs, ✗ missing, ? could not be looked at. For a bug report:',
      width,
    ).map((line) => paint.dim(line)),
    '',
    clean(summary),
  ].join('\n');
}

function lacking(findings: readonly Finding[]): string {
  return findings
    .filter(({ required, state }) => required && state === 'missing')
    .map(({ title }) => title)
    .join(', ');
}

function lines({ state, title, seen, means, remedy }: Finding, { paint, width }: Style): string[] {
  const colour = { ok: paint.green, differs: paint.yellow, missing: paint.red, unknown: paint.dim }[state];
  const [first = '', ...rest] = labelled(title, clean(seen), 3, TITLE, width);
  const below = (text: string, mark: string): string[] =>
    wrap(clean(text), width - 3 - TITLE - 2).map(
      (line, i) => `${' '.repeat(3 + TITLE)}${i === 0 ? mark : ' '} ${line}`,
    );
  return [
    `${colour(MARKS[state])}${first.slice(1)}`,
    ...rest,
    ...(state === 'ok' ? [] : [...below(means, ' '), ...below(remedy, '→').map((line) => paint.cyan(line))]),
  ];
}
