// See user-database.hpp.
#include "user-database.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace dockerinit {
namespace {

using Fields = std::vector<std::string_view>;

Fields split(std::string_view text, char separator) {
  Fields fields;
  for (;;) {
    const size_t end = text.find(separator);
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Digits only: no sign, no blank, no 0x. Too long a number is none, never a wrapped one (CVE-2024-40635: it
// became 0).
std::optional<uint32_t> id_of(std::string_view text) {
  uint64_t value = 0;
  if (!all_digits(text)) return std::nullopt;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value > kMaxId) return std::nullopt;
  return static_cast<uint32_t>(value);
}

// The first line for which `matches(fields)` holds. NUL in a line would end a name early for somebody else.
template <class Matches>
std::optional<Fields> find_line(std::string_view file, size_t least, Matches matches) {
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#' || line.find('\0') != std::string_view::npos) continue;
    Fields fields = split(line, ':');
    if (fields.size() >= least && matches(fields)) return fields;
  }
  return std::nullopt;
}

Failure out_of_range(std::string_view what) {
  return refuse("", {}, EINVAL,
                std::string(what) + ": uids and gids must be in range 0-" + std::to_string(kMaxId));
}

Failure not_found(const char* kind, std::string_view name, const char* file) {
  return refuse("", {}, ENOENT,
                std::string("unable to find ") + kind + " " + std::string(name.substr(0, 100)) +
                    ": no matching entries in " + file + " file");
}

struct Account {
  Identity identity;
  std::string name;
};

Result<Account> account_of(const Fields& fields) {
  const auto uid = id_of(fields[2]);
  const auto gid = id_of(fields[3]);
  if (!uid || !gid) return out_of_range("the passwd entry of " + std::string(fields[0].substr(0, 100)));
  Account account{{*uid, *gid, {}, "/"}, std::string(fields[0])};
  if (fields.size() > 5 && !fields[5].empty()) account.identity.home = fields[5];
  return account;
}

// A numeric user is a number: an image whose passwd says `1000:x:0:0` must not turn `--user 1000` into root
// (CVE-2016-3697). A number without a line is allowed, with group 0, as Docker has it.
Result<Account> find_user(std::string_view user, std::string_view passwd) {
  if (user.empty()) user = "0";
  if (!all_digits(user)) {
    const auto line = find_line(passwd, 4, [&](const Fields& fields) { return fields[0] == user; });
    if (!line) return not_found("user", user, "passwd");
    return account_of(*line);
  }
  const auto uid = id_of(user);
  if (!uid) return out_of_range("user " + std::string(user.substr(0, 100)));
  const auto line = find_line(passwd, 4, [&](const Fields& fields) { return id_of(fields[2]) == uid; });
  if (line) return account_of(*line);
  return Account{{*uid, 0, {}, "/"}, ""};
}

Result<gid_t> find_group(std::string_view group, std::string_view file) {
  if (all_digits(group)) {
    const auto gid = id_of(group);
    if (!gid) return out_of_range("group " + std::string(group.substr(0, 100)));
    return *gid;
  }
  const auto line = find_line(file, 3, [&](const Fields& fields) { return fields[0] == group; });
  if (!line) return not_found("group", group, "group");
  const auto gid = id_of((*line)[2]);
  if (!gid) return out_of_range("the group entry of " + std::string(group.substr(0, 100)));
  return *gid;
}

// Groups that list the user, and always the primary one: left out, a file that its group may not read could
// be read (CVE-2022-36109). Lines with impossible ids give nothing.
std::vector<gid_t> listed_in(const std::string& name, gid_t primary, std::string_view file) {
  std::vector<gid_t> groups{primary};
  if (name.empty()) return groups;
  find_line(file, 4, [&](const Fields& fields) {
    const auto gid = id_of(fields[2]);
    const Fields members = split(fields[3], ',');
    if (gid && *gid != primary && std::find(members.begin(), members.end(), name) != members.end()) {
      groups.push_back(*gid);
    }
    return groups.size() > kMaxGroups;
  });
  return groups;
}

}  // namespace

Result<Identity> find_identity(const std::string& spec, const std::string& passwd, const std::string& group) {
  const Fields parts = split(spec, ':');
  if (parts.size() > 2)
    return refuse("", {}, EINVAL, "a user is written user[:group], not '" + spec.substr(0, 100) + "'");
  auto account = find_user(parts[0], passwd);
  if (!account) return account.failure();
  Identity& identity = account->identity;
  const bool group_given = parts.size() == 2 && !parts[1].empty();
  if (group_given) {
    auto gid = find_group(parts[1], group);
    if (!gid) return gid.failure();
    identity.gid = *gid;
  }
  // With a group of the caller's choice, the image's memberships do not apply.
  identity.groups = listed_in(group_given ? "" : account->name, identity.gid, group);
  if (identity.groups.size() > kMaxGroups)
    return refuse("", {}, E2BIG, "the user is in more than 65536 groups");
  return identity;
}

}  // namespace dockerinit
