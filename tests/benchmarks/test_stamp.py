from benchmarks.stamp import EVERY, read_stamps, stamp


def test_every_tenth_job_writes_the_time(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_STAMPS", str(tmp_path / "stamps"))

    for number in range(3 * EVERY):
        stamp(number)

    times = read_stamps(tmp_path / "stamps")
    assert len(times) == 3
    assert times == sorted(times)


def test_a_line_that_is_not_written_to_its_end_is_left_out(tmp_path):
    (tmp_path / "stamps").write_text("2.5\n1.5\n3.")

    assert read_stamps(tmp_path / "stamps") == [1.5, 2.5]


def test_no_job_has_run_where_there_is_no_file(tmp_path):
    assert read_stamps(tmp_path / "stamps") == []
