/** Names for containers that were not given one: `adjective_surname`, Docker's idea, with people of computing. */
import { randomInt } from '../kernel/random.ts';

const ADJECTIVES = (
  'able agile amber ample arctic avid bold boring brave breezy brisk bright calm candid careful cheerful clever coral ' +
  'cosmic crisp curious daring deft dreamy eager earnest fair fluent frank gentle glad golden graceful grand happy hardy ' +
  'honest humble jolly keen kind lively loyal lucid lunar mellow merry mild modest neat nimble noble patient placid polite ' +
  'proud quick quiet ready robust serene sharp silent sincere solar steady stoic subtle sunny swift tender tidy tranquil ' +
  'trusty upbeat valiant vivid warm wise witty zesty'
).split(' ');

const SURNAMES = (
  'allen babbage backus bartik boole borg brooks cerf church codd conway corbato cray dahl dijkstra diffie engelbart ' +
  'estrin feinler floyd goldberg hamilton hamming hejlsberg hellman hennessy hoare holberton hopper huffman iverson jennings ' +
  'johnson joy kahan kahn karp kay kernighan kleene knuth kurtz lamport lampson landin liskov lovelace matsumoto mccarthy ' +
  'mcilroy metcalfe meyer milner minsky moore naur newell noether nygaard ousterhout pascal patterson perlis perlman postel ' +
  'rabin rivest ritchie saltzer sammet scott shannon simon stallman strachey stroustrup sutherland tanenbaum tarjan thompson ' +
  'torvalds turing ullman valiant wilkes wilkinson wing wirth wozniak yao zuse'
).split(' ');

const pick = (words: readonly string[]): string => words[randomInt(words.length)] ?? 'plain';

/** Steve Wozniak is not boring: Docker's rule, kept. */
export function drawName(): string {
  for (;;) {
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}`;
    if (name !== 'boring_wozniak') return name;
  }
}

/** As Docker 1.2.0: from the second on with a digit, and at last the id's beginning, which is nobody else's. */
export function drawNames(id: string): string[] {
  const digits = Array.from({ length: 5 }, () => `${drawName()}${randomInt(10)}`);
  return [drawName(), ...digits, id.slice(0, 12)];
}
