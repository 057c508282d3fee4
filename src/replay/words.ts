/** The command line as it may be shown to others: variables have their names, not what they say. */
import { redacted } from '../observe/flatten.ts';

/** Also `-ie NAME=VALUE` and `-eNAME=VALUE`. What stands behind the image is treated alike: too much hidden does no harm. */
export function harmlessWords(words: readonly string[], showEnv: boolean): string[] {
  if (showEnv) return [...words];
  return words.map((word, index) => {
    if (/^(--env|-[a-zA-Z]*e)$/.test(words[index - 1] ?? '')) return redacted(word);
    const [, option, variable] = /^(--env=|-[a-zA-Z]*?e)(.*=.*)$/s.exec(word) ?? [];
    return option === undefined || variable === undefined ? word : option + redacted(variable);
  });
}
