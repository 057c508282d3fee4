// Turns a step function into a row of the table and checks the order of rows at compile time. A step is
// `Result<Gives> step(Init&, const Needs&..., Takes&&...)`; its arguments after Init are proofs (proofs.hpp).
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "init.hpp"
#include "proofs.hpp"

namespace dockerinit {

using Proofs =
    std::tuple<std::optional<PrivateMounts>, std::optional<RootBound>, std::optional<SystemMounts>,
               std::optional<Jailed>, std::optional<InsidePids>, std::optional<SeccompDecided>,
               std::optional<DescriptorsClosed>, std::optional<BoundingCut>, std::optional<UserChanged>,
               std::optional<CapabilitiesDropped>, std::optional<InsideCwd>>;

template <class Proof, size_t index = 0>
constexpr unsigned bit() {
  if constexpr (std::is_same_v<std::tuple_element_t<index, Proofs>, std::optional<Proof>>) {
    return 1U << index;
  } else {
    return bit<Proof, index + 1>();
  }
}

struct Row {
  int number;
  std::string_view name;
  // Where the code lies in steps/, for a row of another table that shares it; 0: beside its own table's.
  int shared;
  unsigned needs;
  unsigned takes;
  unsigned gives;
  Status (*run)(Init&, Proofs&);
};

// A proof that is passed by && is moved out of the table's keeping, so its descriptors close with the step.
template <class Argument>
decltype(auto) present(Proofs& proofs) {
  auto& proof = std::get<std::optional<std::remove_cvref_t<Argument>>>(proofs);
  if constexpr (std::is_rvalue_reference_v<Argument>) {
    auto taken = std::move(*proof);
    proof.reset();
    return taken;
  } else {
    return (*proof);
  }
}

template <auto step, class Gives, class... Arguments>
Status run_step(Init& init, Proofs& proofs) {
  auto result = step(init, present<Arguments>(proofs)...);
  if (!result) return result.failure();
  if constexpr (!std::is_same_v<Gives, Done>) {
    std::get<std::optional<Gives>>(proofs).emplace(std::move(*result));
  }
  return Done{};
}

template <auto step, class Gives, class... Arguments>
consteval Row row_of(int number, std::string_view name, int shared, Result<Gives> (*)(Init&, Arguments...)) {
  unsigned gives = 0;
  if constexpr (!std::is_same_v<Gives, Done>) gives = bit<Gives>();
  return {number,
          name,
          shared,
          (0U | ... | bit<std::remove_cvref_t<Arguments>>()),
          (0U | ... | (std::is_rvalue_reference_v<Arguments> ? bit<std::remove_cvref_t<Arguments>>() : 0U)),
          gives,
          run_step<step, Gives, Arguments...>};
}

template <auto step>
consteval Row row(int number, std::string_view name, int shared = 0) {
  return row_of<step>(number, name, shared, step);
}

// Every proof that a row needs was given by an earlier row and not taken since; numbers rise by tens.
template <size_t size>
consteval bool ordered(const std::array<Row, size>& rows) {
  unsigned held = 0;
  int number = rows[0].number - 10;
  for (const Row& each : rows) {
    if ((each.needs & ~held) != 0 || (each.gives & held) != 0 || each.number != number + 10) return false;
    held = (held & ~each.takes) | each.gives;
    number = each.number;
  }
  return true;
}

}  // namespace dockerinit
