// init.seccomp: installs the deny list of seccomp-list.hpp for the program and all that it starts (not in
// Docker 1.2.0).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

#include "../seccomp-list.hpp"
#include "../seccomp.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr uint32_t kX32 = 0x40000000;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the deny list is written for x86-64 and aarch64"
#endif

constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;

// A classic BPF program, put together by hand so that a reader sees what the kernel is given.
class Filter {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void answer(uint32_t verdict) { add(BPF_RET | BPF_K, verdict); }
  // The next `skip` instructions run only if the loaded word is (has a bit of, is at least) `value`.
  void when_equal(uint32_t value, uint8_t skip = 1) { add(BPF_JMP | BPF_JEQ | BPF_K, value, skip); }
  void unless_equal(uint32_t value) { code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value}); }
  void when_any(uint32_t bits, uint8_t skip = 1) { add(BPF_JMP | BPF_JSET | BPF_K, bits, skip); }
  void when_least(uint32_t value, uint8_t skip = 1) { add(BPF_JMP | BPF_JGE | BPF_K, value, skip); }

  sock_fprog program() { return {static_cast<unsigned short>(code_.size()), code_.data()}; }

 private:
  void add(unsigned code, uint32_t value, uint8_t skip = 0) {
    code_.push_back({static_cast<uint16_t>(code), 0, skip, value});
  }
  std::vector<sock_filter> code_;
};

// Both halves of an argument exist, but these are ints for the kernel: it looks at the low word, and so do
// we.
constexpr size_t kFirstArgument = offsetof(seccomp_data, args);

// The same call number means another call on another architecture: the list would be walked around (i386,
// x32).
void check_architecture(Filter& filter) {
  filter.load(offsetof(seccomp_data, arch));
  filter.unless_equal(kArchitecture);
  filter.answer(SECCOMP_RET_KILL_PROCESS);
  filter.load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  filter.when_least(kX32);
  filter.answer(kUnknown);
#endif
}

// A user namespace gives its maker every capability in it, and with them the parts of the kernel where most
// holes were found. clone3 hides its flags behind a pointer that a filter cannot follow; without it libc
// falls back to clone.
void deny_user_namespaces(Filter& filter) {
  filter.when_equal(SYS_clone3);
  filter.answer(kUnknown);
  for (const uint32_t call : {SYS_clone, SYS_unshare}) {
    filter.when_equal(call, 4);
    filter.load(kFirstArgument);
    filter.when_any(CLONE_NEWUSER);
    filter.answer(kRefuse);
    filter.answer(SECCOMP_RET_ALLOW);
  }
}

// AF_ALG: kernel crypto by socket, which wrote into the page cache of read-only files (CVE-2026-31431);
// layers share that cache. AF_VSOCK reaches the hypervisor and is not namespaced.
void deny_sockets(Filter& filter) {
  filter.when_equal(SYS_socket, 6);
  filter.load(kFirstArgument);
  filter.when_equal(AF_ALG);
  filter.answer(kRefuse);
  filter.when_equal(AF_VSOCK);
  filter.answer(kRefuse);
  filter.answer(SECCOMP_RET_ALLOW);
}

Filter deny_list(uint64_t kept) {
  Filter filter;
  check_architecture(filter);
  for (const Denied& denied : kDenied) {
    if (denied.unless != kAlways && (kept >> denied.unless & 1) != 0) continue;
    filter.when_equal(static_cast<uint32_t>(denied.call));
    filter.answer(kRefuse);
  }
  if ((kept >> CAP_SYS_ADMIN & 1) == 0) deny_user_namespaces(filter);
  deny_sockets(filter);
  filter.answer(SECCOMP_RET_ALLOW);
  return filter;
}

}  // namespace

Status install_deny_list(Kernel& kernel, uint64_t kept, size_t* instructions) {
  Filter filter = deny_list(kept);
  const sock_fprog program = filter.program();
  *instructions = program.len;
  if (auto done = kernel.seccomp_filter(program); !done) return done.because("cannot install the deny list");
  return Done{};
}

// Moved before the capabilities: the kernel takes a filter from somebody with CAP_SYS_ADMIN or with
// no_new_privs, and no_new_privs would break setuid programs, which Docker allows.
Result<SeccompDecided> seccomp(Init& init, const Jailed&) {
  init.note("seccomp", init.config.seccomp);
  if (!init.config.seccomp) return SeccompDecided{};
  size_t instructions = 0;
  auto done = install_deny_list(init.kernel, init.config.capabilities, &instructions);
  init.note("instructions", static_cast<int64_t>(instructions));
  if (!done) return done.failure();
  return SeccompDecided{};
}

}  // namespace dockerinit
