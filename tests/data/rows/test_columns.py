from pathlib import Path

from training_pro.data.rows.columns import Column, columns_of


def test_columns_come_with_a_sample_and_what_their_name_stands_for(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("Id,Question,Answer,Mood\n1,,b,\n2,How deep is it?,Two.,dry\n")
    assert columns_of(path, "a.csv") == [
        Column("Id", "1", ""),
        Column("Question", "How deep is it?", "prompt"),
        Column("Answer", "b", "answer"),
        Column("Mood", "dry", ""),
    ]


def test_a_long_value_is_shown_by_its_beginning(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "%s", "Frage": [1, 2]}\n' % ("a b\\n" * 500))
    body, asked = columns_of(path, "a.jsonl")
    assert len(body.sample) <= 40 and body.role == "text" and "\n" not in body.sample
    assert asked == Column("Frage", "[1, 2]", "")
