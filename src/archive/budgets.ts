/** What an archive may cost at most, so that a small file cannot fill a disk or a memory (CVE-2017-14992, CVE-2025-58183). */

export interface Budgets {
  /** Bytes of the files of one layer when unpacked, holes not counted. */
  readonly bytes: number;
  /** Bytes of one file, holes counted. */
  readonly fileSize: number;
  /** Members of one archive. */
  readonly entries: number;
  /** Bytes of a name. */
  readonly path: number;
  /** Names in a path. */
  readonly depth: number;
  /** Unpacked bytes to packed bytes, looked at beyond the first 16 MiB that are unpacked. */
  readonly ratio: number;
  /** Bytes of the extended headers of one member. */
  readonly headers: number;
  /** Bytes of a manifest, an index or a configuration. */
  readonly json: number;
}

const KiB = 1024;
const GiB = 1024 * 1024 * KiB;

export const DEFAULT_BUDGETS: Budgets = {
  bytes: 16 * GiB,
  fileSize: 16 * GiB,
  entries: 1_000_000,
  path: 4096,
  depth: 1024,
  ratio: 1000,
  headers: 1024 * KiB,
  json: 4 * 1024 * KiB,
};
