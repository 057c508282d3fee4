/** Loads a native addon by its path, without the search that `require` makes before it comes to the same call. */
export function loadAddon(path: string): unknown {
  const loaded: { exports: unknown } = { exports: {} };
  process.dlopen(loaded, path);
  return loaded.exports;
}
