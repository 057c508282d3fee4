// zstd is unpacked by libzstd itself, which dpkg and systemd need: it is on every machine that ts-dock is
// for. It is opened when it is first needed, so that neither its headers nor an arm64 copy have to be there
// to build.
//
// Contract: a decoder takes bytes and a place for bytes, and says how much of either it used. What it refuses
// is a text, not an errno.

#include <dlfcn.h>

#include <memory>

#include "values.hpp"

namespace tsdock {

namespace {

// Of zstd.h, which keeps these as they are (stable since 1.4.0).
struct InBuffer {
  const void* src;
  std::size_t size;
  std::size_t pos;
};
struct OutBuffer {
  void* dst;
  std::size_t size;
  std::size_t pos;
};
constexpr int kWindowLogMax = 100;  // ZSTD_d_windowLogMax

struct Library {
  void* (*create)();
  std::size_t (*free)(void*);
  std::size_t (*set)(void*, int, int);
  std::size_t (*decompress)(void*, OutBuffer*, InBuffer*);
  unsigned (*is_error)(std::size_t);
  const char* (*error_name)(std::size_t);
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

// Later Nodes have a zstd of their own, whose names must not be taken for these: hence RTLD_DEEPBIND.
const Library* library() {
  static const Library* const loaded = []() -> const Library* {
    void* const handle = ::dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (handle == nullptr) return nullptr;
    static Library found;
    const bool whole =
        find(handle, "ZSTD_createDCtx", found.create) && find(handle, "ZSTD_freeDCtx", found.free) &&
        find(handle, "ZSTD_DCtx_setParameter", found.set) &&
        find(handle, "ZSTD_decompressStream", found.decompress) &&
        find(handle, "ZSTD_isError", found.is_error) && find(handle, "ZSTD_getErrorName", found.error_name);
    return whole ? &found : nullptr;
  }();
  return loaded;
}

struct Decoder {
  explicit Decoder(const Library& library) : zstd(library), context(library.create()) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { close(); }

  void close() {
    if (context != nullptr) zstd.free(context);
    context = nullptr;
  }

  const Library& zstd;
  void* context;
};

Napi::Value open_decoder(const Args& args) {
  const Library* const zstd = library();
  if (zstd == nullptr) return args.env().Null();
  auto decoder = std::make_unique<Decoder>(*zstd);
  if (decoder->context == nullptr ||
      zstd->is_error(zstd->set(decoder->context, kWindowLogMax, args.integer(0))) != 0) {
    throw Refusal{"ZSTD_createDCtx", ENOMEM};
  }
  return Napi::External<Decoder>::New(args.env(), decoder.release(),
                                      [](Napi::Env, Decoder* old) { delete old; });
}

Decoder& decoder_of(const Args& args) { return *args.value(0).As<Napi::External<Decoder>>().Data(); }

// A window may be 128 MiB, of which JavaScript's collector knows nothing: it might never come.
Napi::Value close_decoder(const Args& args) {
  decoder_of(args).close();
  return done(args);
}

Napi::Value decode(const Args& args) {
  const Decoder& decoder = decoder_of(args);
  if (decoder.context == nullptr) throw Napi::TypeError::New(args.env(), "the decoder is closed");
  const auto packed = args.bytes(1);
  auto plain = args.value(2).As<Napi::Uint8Array>();
  InBuffer in{packed.data(), packed.size(), 0};
  OutBuffer out{plain.Data(), plain.ByteLength(), 0};
  const std::size_t left = decoder.zstd.decompress(decoder.context, &out, &in);
  if (decoder.zstd.is_error(left) != 0) {
    return Napi::String::New(args.env(), decoder.zstd.error_name(left));
  }
  Napi::Object answer = Napi::Object::New(args.env());
  answer.Set("taken", number(args, in.pos));
  answer.Set("given", number(args, out.pos));
  answer.Set("between", Napi::Boolean::New(args.env(), left == 0));
  return answer;
}

}  // namespace

void offer_zstd(Napi::Object& exports) {
  offer<open_decoder>(exports, "zstdOpen");
  offer<decode>(exports, "zstdDecode");
  offer<close_decoder>(exports, "zstdClose");
}

}  // namespace tsdock
