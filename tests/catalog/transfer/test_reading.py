import pytest

from catalog.transfer import reading
from catalog.transfer.reading import Fields, FileRefused, Scalar

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\n"


class TestDecoded:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"\xef\xbb\xbfa: 1", "Line 1: The file begins with a byte order mark"),
            ("a: 1".encode("utf-16"), "Line 1: The file begins with a byte order mark"),
            ("a: 1\nb: é".encode("latin-1"), "Line 2: This is not UTF-8"),
            (b"x" * 3 * 1024 * 1024, "The file is larger than 1,024 KB."),
        ],
    )
    def test_refuses_what_is_no_plain_text(self, content, message):
        with pytest.raises(FileRefused, match=message):
            reading.decoded(content)


class TestRead:
    def test_keeps_texts_as_they_were_written_and_knows_their_lines(self):
        node = reading.read("a: 1.10\n\nb: 'no'\n")

        assert node == Fields(
            1,
            {
                "a": (1, Scalar(1, "1.10", is_plain=True)),
                "b": (3, Scalar(3, "no", is_plain=False)),
            },
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (BOMB, "Line 1: Anchors"),
            ("a: 1\nb: *a\n", "Line 2: Anchors"),
            ("a: !!python/object/apply:os.system [ls]", "Line 1: Tags such as"),
            ("a: 1\nb: !!binary x", "Line 2: Tags such as"),
            ("a: 1\nb: 2\na: 3\n", "Line 3: “a” is there twice, first in line 1."),
            ("a: 1\n---\nb: 2\n", "Line 2: A second document"),
            ("a: [1, 2", "This is not YAML"),
            ("a: 1\n b: 2", "Line 2: This is not YAML"),
            ("a: \x00", "Line 1: There is a character that cannot be seen."),
            ("? [a]\n: 1", "Line 1: The name of a field is a text."),
            ("", "Line 1: The file is empty."),
            ("# nothing", "The file is empty."),
            ("[" * 100_000, "Line 1: Values are nested more than 20 levels deep."),
            ("- x\n" * 200_001, "The file holds more values than any catalog."),
            ("<<: {a: 1}\n<<: 2", "Line 2: “<<” is there twice"),
        ],
    )
    def test_refuses_what_no_catalog_needs(self, text, message):
        with pytest.raises(FileRefused) as refused:
            reading.read(text)

        assert message in refused.value.message
