"""What all tests share: the marker `rule`, and what became of each rule."""

pytest_plugins = ["tools.rule_results"]
