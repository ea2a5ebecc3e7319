// The configuration's op_types may name what the frontend recognises: the schema lists no more and no less.
#include <set>
#include <string>

#include "base/json.h"
#include "check.h"
#include "frontend/rules.h"
#include "partition/config.h"

using namespace vaip;

TEST(the_schema_lists_the_recognised_operators) {
  const json::Value schema = json::parse(partition::config_schema_json(), "vaip_config.schema.json");
  std::set<std::string> listed;
  for (const json::Value& name : schema.at("$defs").at("op_type").at("enum")) listed.insert(name.get<std::string>());
  const std::set<std::string> recognised = frontend::recognised_operators();
  for (const std::string& name : recognised)
    if (listed.count(name) == 0) test::report("schema lacks", 0, name);
  for (const std::string& name : listed)
    if (recognised.count(name) == 0) test::report("schema has no rule for", 0, name);
  CHECK(recognised.size() > 100);
}

// Each of them has a rule, under the domain that it belongs to.
TEST(every_listed_operator_has_a_rule) {
  for (const std::string& name : frontend::recognised_operators()) {
    bool found = false;
    for (const char* domain : {"", "com.microsoft", "com.amd.quark", "com.vai.quantize"}) {
      frontend::Node node;
      node.op_type = name;
      node.domain = domain;
      node.inputs = {"x", "s"};
      node.outputs = {"y"};
      found = found || frontend::find_rule(node) != nullptr;
    }
    if (!found) test::report("no rule", 0, name);
  }
}

VAIP_TEST_MAIN()
