import pytest

from catalog import impact
from catalog.impact import ImpactLine
from tests.builders import NOW, a_plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(monkeypatch):
    monkeypatch.setattr(impact, "_sources", [])

    def subscriptions(draft, now):
        return [ImpactLine("Subscriptions", for_all="12")]

    return subscriptions


class TestLines:
    def test_gather_what_every_source_says(self, source):
        impact.register(source)
        impact.register(lambda draft, now: [ImpactLine(draft.name, for_all="1", for_new="2")])

        assert impact.lines(a_plan().draft, now=NOW) == [
            ImpactLine("Subscriptions", "12", "–"),
            ImpactLine("Pro", "1", "2"),
        ]


class TestRegister:
    def test_is_harmless_when_repeated(self, source):
        impact.register(source)
        impact.register(source)

        assert len(impact.lines(a_plan().draft, now=NOW)) == 1
