/** Of our environment, what a ts-dock that goes on without us may need: settings of ts-dock, of its traces, and where programs lie. */
const PASSED_ON = /^(PATH|HOME|LANG|LC_ALL|NODE_EXTRA_CA_CERTS|TS_DOCK_.*|OTEL_.*)$/;

export function passedOn(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (each): each is [string, string] => PASSED_ON.test(each[0]) && each[1] !== undefined,
    ),
  );
}
