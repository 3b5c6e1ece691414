from workspace.errors import Conflict, DomainError


class SubscriptionExists(Conflict):
    pass


class Renamed(Conflict):
    code = "StillTheOldName"


class TestDomainError:
    def test_has_its_class_name_as_code(self):
        assert SubscriptionExists("There is one.").code == "SubscriptionExists"
        assert Conflict("No.").code == "Conflict"

    def test_keeps_a_code_that_a_class_sets(self):
        assert Renamed("No.").code == "StillTheOldName"

    def test_carries_field_and_rows(self):
        error = DomainError("Too small.", field="amount", rows={2: "Too small."})

        assert str(error) == "Too small."
        assert error.field == "amount"
        assert error.rows == {2: "Too small."}
