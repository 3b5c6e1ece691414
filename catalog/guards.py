"""What the database itself refuses about versions (R8, and rule 9 of the design).

A published version and all that hangs on it never change; versions begin as drafts, stay
with their package, and are numbered 1, 2, 3 … without gaps. Publishing locks the package
row first, so that two publications cannot count the same number.
"""

from workspace import triggers

VERSIONS = "catalog_packageversion"
PARTS = {
    "catalog_creditentitlement": "version_id",
    "catalog_featureentitlement": "version_id",
    "catalog_charge": "version_id",
    "catalog_consumptionmapping": "version_id",
    "catalog_packageversion_compatible_addons": "packageversion_id",
    "catalog_packageversion_dependencies": "packageversion_id",
}
NEVER_CHANGES = "Published versions never change."

TRIGGERS = [
    *triggers.frozen_when(
        VERSIONS,
        "OLD.published_at IS NOT NULL",
        NEVER_CHANGES,
        name="published_version_never_changes",
    ),
    triggers.Trigger(
        "version_begins_as_draft",
        VERSIONS,
        "INSERT",
        "A version begins as a draft.",
        "NEW.published_at IS NOT NULL",
    ),
    triggers.Trigger(
        "version_stays_with_its_package",
        VERSIONS,
        "UPDATE",
        "A version stays with its package.",
        "NEW.package_id <> OLD.package_id",
    ),
    triggers.Trigger(
        "version_numbers_have_no_gaps",
        VERSIONS,
        "UPDATE",
        "Version numbers have no gaps.",
        "NEW.published_at IS NOT NULL AND NEW.number <> (SELECT COALESCE(MAX(sibling.number), 0)"
        f' + 1 FROM "{VERSIONS}" AS sibling WHERE sibling.package_id = NEW.package_id'
        " AND sibling.id <> NEW.id)",
    ),
    *(
        trigger
        for table, column in PARTS.items()
        for trigger in triggers.frozen_with_parent(
            table,
            column=column,
            parent_table=VERSIONS,
            parent_condition="parent.published_at IS NOT NULL",
            message=NEVER_CHANGES,
            name=table.replace("catalog_packageversion_", "published_").replace(
                "catalog_", "published_"
            ),
        )
    ),
]
