from socketscope.commands.replay import overhear


def test_a_terminal_obeys_nothing_of_a_file_of_somebody_elses(capsys):
    overhear(users=2)(1, "# \x1b[2J.talk, pass 1")
    assert capsys.readouterr().err == "1  # \\x1b[2J.talk, pass 1\n"
