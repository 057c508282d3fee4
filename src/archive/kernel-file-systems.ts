/** File systems whose files the kernel makes up as they are read: sizes say nothing there, and what is read is no copy. */

/** f_type of statfs(2), from linux/magic.h. */
const MAGIC: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x1cd1, // devpts
  0x19800202, // mqueue
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x62656570, // configfs
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
  0xcafe4a11, // bpf
  0xf97cff8c, // selinuxfs
  0x42494e4d, // binfmt_misc
  0x6e736673, // nsfs
]);

export const isKernels = (magic: number): boolean => MAGIC.has(magic);
