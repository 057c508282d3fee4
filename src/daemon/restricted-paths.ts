/**
 * What of /proc and /sys a container may not write, or not even see. A list is not a policy: each entry says what it gives
 * away and when it was found out, so that somebody can tell whether one is missing. Docker 1.2.0 had four and one.
 */

export interface RestrictedPath {
  readonly path: string;
  readonly why: string;
}

export const READONLY_PATHS: readonly RestrictedPath[] = [
  { path: '/proc/bus', why: 'devices of the host can be configured through it (1.2.0 had it)' },
  { path: '/proc/fs', why: 'settings of file systems of the host (2015, CVE-2015-3630)' },
  { path: '/proc/irq', why: 'which CPU serves which device (1.2.0 had it)' },
  { path: '/proc/sys', why: 'settings of the kernel that no namespace holds (1.2.0 had it)' },
  { path: '/proc/sysrq-trigger', why: 'reboots the host with one letter (1.2.0 had it)' },
];

export const MASKED_PATHS: readonly RestrictedPath[] = [
  { path: '/proc/acpi', why: 'turns devices of the host off (2018, CVE-2018-10892)' },
  { path: '/proc/asound', why: 'tells what the host plays (2015, CVE-2015-3630)' },
  { path: '/proc/interrupts', why: 'timing of keystrokes and of other containers (2025)' },
  { path: '/proc/kcore', why: "the kernel's memory (1.2.0 masked it)" },
  { path: '/proc/keys', why: 'names of keys of others: key rings are not per container (2017)' },
  { path: '/proc/latency_stats', why: 'what other processes wait for (2015, CVE-2015-3630)' },
  { path: '/proc/sched_debug', why: 'names of all processes of the host (2016)' },
  { path: '/proc/scsi', why: 'removes disks of the host (2017, CVE-2017-16539)' },
  { path: '/proc/timer_list', why: 'pids and addresses of the kernel (2015)' },
  { path: '/proc/timer_stats', why: 'names of processes of the host (2015, CVE-2015-3630)' },
  {
    path: '/sys/devices/virtual/powercap',
    why: 'power as a side channel to other processes’ secrets (2023)',
  },
  { path: '/sys/firmware', why: 'tables of the firmware, with serial numbers (2017)' },
];
