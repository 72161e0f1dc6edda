from benchmarks.finding import Ratio, Rounds, alternate


def test_every_other_round_runs_in_the_opposite_order():
    ran = []
    sides = {name: lambda name=name: ran.append(name) or {"rate": 1.0} for name in "abc"}

    alternate(sides, rounds=3)

    assert "".join(ran) == "abccbaabc"


def test_a_ratio_is_the_median_of_those_within_a_round():
    rounds = Rounds(
        {
            "ours": [{"rate": 20.0}, {"rate": 300.0}, {"rate": 30.0}],
            "other": [{"rate": 10.0}, {"rate": 100.0}, {"rate": 30.0}],
        }
    )

    assert rounds.ratio("ours", "other", "rate") == 2
    assert rounds.median("ours", "rate") / rounds.median("other", "rate") == 1  # what it is not


def test_a_target_is_a_bound_from_below_or_from_above():
    assert Ratio("", 1.0, at_least=1.0).reached
    assert not Ratio("", 0.99, at_least=1.0).reached
    assert Ratio("", 1.3, at_most=1.3).reached
    assert not Ratio("", 1.31, at_most=1.3).reached
    assert Ratio("", 1.0).reached is None
