// A unit-test harness in one header: no C++ test library is to be had from PyPI, and CMake downloads nothing.
//   TEST(name) { CHECK(x == y); CHECK_EQ(a, b); CHECK_THROWS(expr, "part of the message"); }
//   int main() { return vaip::test::run_all(); }   (see VAIP_TEST_MAIN)
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace vaip::test {

struct Case {
  const char* name;
  std::function<void()> body;
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}
inline bool add(const char* name, std::function<void()> body) {
  cases().push_back({name, std::move(body)});
  return true;
}
inline void report(const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, message.c_str());
  ++failures();
}
template <typename A, typename B>
void check_eq(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  std::ostringstream out;
  out << "CHECK_EQ(" << text << "): " << a << " != " << b;
  report(file, line, out.str());
}
inline int run_all() {
  int failed = 0;
  for (const Case& c : cases()) {
    const int before = failures();
    try {
      c.body();
    } catch (const std::exception& e) {
      report(c.name, 0, std::string("uncaught exception: ") + e.what());
    }
    const bool ok = failures() == before;
    failed += ok ? 0 : 1;
    std::fprintf(stderr, "%s %s\n", ok ? "[ ok ]" : "[FAIL]", c.name);
  }
  std::printf("%zu passed, %d failed\n", cases().size() - static_cast<std::size_t>(failed), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace vaip::test

#define TEST(name)                                                        \
  static void test_##name();                                              \
  static const bool added_##name = ::vaip::test::add(#name, test_##name); \
  static void test_##name()
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) ::vaip::test::report(__FILE__, __LINE__, "CHECK(" #condition ")"); \
  } while (false)
#define CHECK_EQ(a, b) ::vaip::test::check_eq((a), (b), #a ", " #b, __FILE__, __LINE__)
#define CHECK_THROWS(expression, part)                                                                        \
  do {                                                                                                        \
    bool thrown = false;                                                                                      \
    try {                                                                                                     \
      (void)(expression);                                                                                     \
    } catch (const std::exception& e) {                                                                       \
      thrown = true;                                                                                          \
      if (std::string(e.what()).find(part) == std::string::npos)                                              \
        ::vaip::test::report(__FILE__, __LINE__, std::string("message lacks '") + (part) + "': " + e.what()); \
    }                                                                                                         \
    if (!thrown) ::vaip::test::report(__FILE__, __LINE__, "did not throw: " #expression);                     \
  } while (false)
#define VAIP_TEST_MAIN() \
  int main() { return ::vaip::test::run_all(); }
