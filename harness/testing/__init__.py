"""What plugin authors test their own package with: `check_plugin("my-plugin")`.

Installed with the harness as a pytest plugin, so that a test needs no import:

    def test_it_is_a_good_plugin(check_plugin):
        check_plugin("my-plugin")

The modules here are imported when they are used: a pytest run that does not ask for the fixture
pays nothing for it.
"""
