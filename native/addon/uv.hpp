// The few functions of libuv that `watch` needs, declared here because only node-api-headers may be used and
// it has no uv.h, while Node exports these symbols from its own executable.
//
// No struct layout is assumed: the handle is allocated with the size that uv_handle_size names at run time,
// and its data is reached by functions. The numbers are part of libuv 1's stable ABI.
#pragma once

#include <cstddef>

extern "C" {

struct uv_loop_s;
struct uv_handle_s;

using uv_poll_callback = void (*)(uv_handle_s* handle, int status, int events);
using uv_close_callback = void (*)(uv_handle_s* handle);

std::size_t uv_handle_size(int type);
int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, uv_poll_callback callback);
int uv_poll_stop(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, uv_close_callback callback);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void* uv_handle_get_data(const uv_handle_s* handle);
}

namespace tsdock {

constexpr int kUvPoll = 8;
constexpr int kUvReadable = 1;
constexpr int kUvWritable = 2;

}  // namespace tsdock
