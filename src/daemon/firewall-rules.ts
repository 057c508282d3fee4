/** What `iptables-save -c` says: chains with their policy, rules with their counters. Read, never changed. */

export interface SavedChain {
  readonly table: string;
  readonly chain: string;
  /** Of a built-in chain; `-` for one that somebody made. */
  readonly policy: string;
}

export interface SavedRule {
  readonly table: string;
  readonly chain: string;
  /** As it would be typed behind `-A CHAIN`. */
  readonly rule: string;
  readonly packets: number;
  readonly bytes: number;
}

export interface SavedFirewall {
  readonly chains: readonly SavedChain[];
  readonly rules: readonly SavedRule[];
}

export function parseSave(text: string): SavedFirewall {
  const chains: SavedChain[] = [];
  const rules: SavedRule[] = [];
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    else if (line.startsWith(':')) {
      const [chain = '', policy = '-'] = line.slice(1).split(' ');
      chains.push({ table, chain, policy });
    } else {
      const [, packets, bytes, chain, rule] = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/.exec(line) ?? [];
      if (chain === undefined) continue;
      rules.push({
        table,
        chain,
        rule: rule ?? '',
        packets: Number(packets ?? 0),
        bytes: Number(bytes ?? 0),
      });
    }
  }
  return { chains, rules };
}
