from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog.transfer import exporting
from tests.builders import a_credit_type, a_published_plan, reloaded, some_credits

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan():
    return a_published_plan(entitlements=[some_credits(a_credit_type())])


def run(*command, **options):
    out = StringIO()
    call_command(*command, stdout=out, stderr=out, no_color=True, **options)
    return out.getvalue()


class TestExportCatalog:
    def test_writes_the_catalog_to_the_output_or_into_a_file(self, plan, tmp_path):
        file = tmp_path / "catalog.yaml"

        assert run("export_catalog") == exporting.export()
        run("export_catalog", str(file))
        assert file.read_text() == exporting.export()

    def test_says_where_it_cannot_write(self, plan, tmp_path):
        with pytest.raises(CommandError, match="cannot be written: Is a directory"):
            run("export_catalog", str(tmp_path))


class TestImportCatalog:
    @pytest.fixture
    def file(self, plan, tmp_path):
        file = tmp_path / "catalog.yaml"
        file.write_text(exporting.export().replace("5000", "6000"))
        return str(file)

    def test_shows_the_difference_and_asks(self, plan, file, monkeypatch):
        asked: list[str] = []

        def say_no(question: str) -> str:
            asked.append(question)
            return "n"

        monkeypatch.setattr("builtins.input", say_no)

        said = run("import_catalog", file)

        assert "amount: 5000 → 6000" in said
        assert said.endswith("Nothing was written.\n")
        assert asked == ["Write 1 draft? [y/N] "]
        assert reloaded(plan).draft is None

    def test_writes_drafts_without_asking(self, plan, file):
        assert run("import_catalog", file, "--yes").endswith("Written: 1 draft.\n")
        assert reloaded(plan).draft is not None

    def test_publishes(self, plan, file):
        run("import_catalog", file, "--yes", "--publish", "all")

        assert reloaded(plan).live.audience == "ALL_CUSTOMERS"

    def test_only_shows_the_difference(self, plan, file):
        assert run("import_catalog", file, "--dry-run").endswith("Nothing was written.\n")
        assert reloaded(plan).draft is None

    def test_has_nothing_to_ask_about_a_catalog_that_is_the_same(self, plan, tmp_path):
        file = tmp_path / "same.yaml"
        file.write_text(exporting.export())

        assert "The catalog says this already." in run("import_catalog", str(file))

    def test_fails_with_the_line_at_fault(self, plan, tmp_path):
        file = tmp_path / "bad.yaml"
        file.write_text("stipend_catalog: 1\nplan: []\n")

        with pytest.raises(CommandError, match=r"^Line 2: There is no field “plan” here"):
            run("import_catalog", str(file), "--yes")
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            run("import_catalog", str(tmp_path / "none.yaml"))
