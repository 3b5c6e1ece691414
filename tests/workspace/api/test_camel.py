from rest_framework import serializers

from workspace.api.camel import CamelMixin, camel


class PlanSerializer(CamelMixin, serializers.Serializer):
    name = serializers.CharField()
    billing_period = serializers.CharField()
    unit_price_2 = serializers.IntegerField(source="price")
    is_free = serializers.SerializerMethodField()

    def get_is_free(self, plan):
        return plan["price"] == 0

    def validate_billingPeriod(self, period):
        if period != "MONTH":
            raise serializers.ValidationError("Only months.")
        return period


class TestCamel:
    def test_turns_names_outside_in(self):
        assert camel("billing_period") == "billingPeriod"
        assert camel("unit_price_2") == "unitPrice2"
        assert camel("name") == "name"


class TestCamelMixin:
    def test_reads_outer_names(self):
        reader = PlanSerializer(data={"name": "Pro", "billingPeriod": "MONTH", "unitPrice2": 5})

        assert reader.is_valid()
        assert reader.validated_data == {"name": "Pro", "billing_period": "MONTH", "price": 5}

    def test_writes_outer_names(self):
        written = PlanSerializer({"name": "Pro", "billing_period": "MONTH", "price": 0}).data

        assert written == {
            "name": "Pro",
            "billingPeriod": "MONTH",
            "unitPrice2": 0,
            "isFree": True,
        }

    def test_complains_about_outer_names(self):
        reader = PlanSerializer(data={"name": "Pro", "billingPeriod": "YEAR", "unit_price_2": 5})

        assert not reader.is_valid()
        assert set(reader.errors) == {"billingPeriod", "unitPrice2"}
