// watch: tells JavaScript when a descriptor is ready, through Node's own event loop.
//
// Contract: the callback gets poll(2) bits until stop(); POLLERR (8) comes once and is the last. The watching
// has a descriptor of its own, so that the caller may close his at any time and watch one descriptor twice,
// which libuv itself answers with an abort and EEXIST.

#include <fcntl.h>
#include <poll.h>

#include <memory>
#include <new>

#include "uv.hpp"
#include "values.hpp"

namespace tsdock {

namespace {

// libuv finishes a close in a later turn of the loop: the watcher lives until then, and deletes itself.
class Watcher {
 public:
  static Watcher* create(Napi::Env env, int fd, const Napi::Function& callback) {
    std::unique_ptr<Watcher> made(new Watcher(env, fd, callback));
    uv_loop_s* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "no event loop");
    const int refused = uv_poll_init(loop, made->handle(), made->fd_.get());
    if (refused < 0) throw Refusal{"epoll_ctl", -refused};
    uv_handle_set_data(made->handle(), made.get());
    return made.release();
  }

  void start(int events) {
    const int wanted =
        ((events & POLLIN) != 0 ? kUvReadable : 0) | ((events & POLLOUT) != 0 ? kUvWritable : 0);
    uv_poll_start(handle(), wanted, &Watcher::ready);
    // A worker that ends with an open handle in its loop aborts the whole process.
    napi_add_async_cleanup_hook(env_, &Watcher::environment_ends, this, &cleanup_);
  }

  void stop() {
    if (closing_) return;
    closing_ = true;
    callback_.Reset();
    uv_close(handle(), &Watcher::closed);
    // Not left to `closed`: a descriptor that outlives stop() would keep a pipe's other end waiting for the
    // loop.
    fd_ = Fd();
  }

 private:
  Watcher(Napi::Env env, int fd, const Napi::Function& callback)
      : env_(env),
        fd_(checked("fcntl", ::fcntl(fd, F_DUPFD_CLOEXEC, 3))),
        callback_(Napi::Persistent(callback)),
        context_(env, "ts-dock:watch"),
        memory_(new std::max_align_t[uv_handle_size(kUvPoll) / sizeof(std::max_align_t) + 1]) {}

  uv_handle_s* handle() { return reinterpret_cast<uv_handle_s*>(memory_.get()); }

  static Watcher* of(uv_handle_s* handle) { return static_cast<Watcher*>(uv_handle_get_data(handle)); }

  static void ready(uv_handle_s* handle, int status, int events) {
    Watcher* watcher = of(handle);
    if (watcher->closing_) return;
    int revents = POLLERR;
    if (status == 0) {
      revents = ((events & kUvReadable) != 0 ? POLLIN : 0) | ((events & kUvWritable) != 0 ? POLLOUT : 0);
    }
    const Napi::Env env = watcher->env_;
    const Napi::HandleScope scope(env);
    try {
      const Napi::Function callback = watcher->callback_.Value();
      callback.MakeCallback(env.Global(), {Napi::Number::New(env, revents)}, watcher->context_);
    } catch (const Napi::Error& error) {
      // Nobody above us but the loop: what the callback threw goes where Node sends uncaught ones.
      napi_fatal_exception(env, error.Value());
    }
  }

  static void closed(uv_handle_s* handle) {
    const std::unique_ptr<Watcher> ended(of(handle));
    const Napi::HandleScope scope(ended->env_);
    if (ended->cleanup_ != nullptr) napi_remove_async_cleanup_hook(ended->cleanup_);
  }

  static void environment_ends(napi_async_cleanup_hook_handle, void* watcher) {
    static_cast<Watcher*>(watcher)->stop();
  }

  Napi::Env env_;
  Fd fd_;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
  std::unique_ptr<std::max_align_t[]> memory_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  bool closing_ = false;
};

// The script may keep `stop` for longer than the watcher lives, so it holds this and not the watcher.
struct Stopper {
  Watcher* watcher;
};

Napi::Value watch_descriptor(const Args& args) {
  const Napi::Env env = args.env();
  const int fd = args.descriptor(0);
  const int events = args.integer(1);
  if (!args.value(2).IsFunction()) throw Napi::TypeError::New(env, "argument 3 must be a function");
  if ((events & (POLLIN | POLLOUT)) == 0)
    throw Napi::TypeError::New(env, "argument 2 must have POLLIN or POLLOUT");
  Watcher* watcher = nullptr;
  try {
    watcher = Watcher::create(env, fd, args.value(2).As<Napi::Function>());
  } catch (const Refusal& refusal) {
    // The contract has no refusal here: what poll(2) cannot wait for is a bug of the caller.
    Napi::Error error =
        Napi::Error::New(env, std::string("watch: ") + refusal.call + " refused the descriptor");
    error.Set("call", Napi::String::New(env, refusal.call));
    error.Set("errno", Napi::Number::New(env, refusal.error));
    throw error;
  }
  watcher->start(events);
  auto stopper = std::make_shared<Stopper>(Stopper{watcher});
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("stop", Napi::Function::New(env, [stopper](const Napi::CallbackInfo& info) {
               if (stopper->watcher != nullptr) stopper->watcher->stop();
               stopper->watcher = nullptr;
               return info.Env().Undefined();
             }));
  return answer;
}

}  // namespace

void offer_watch(Napi::Object& exports) { offer<watch_descriptor>(exports, "watch"); }

}  // namespace tsdock
