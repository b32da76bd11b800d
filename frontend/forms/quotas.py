"""Forms of quota trees and drafts. They check shape: that quantities can be read. Rules between nodes are the services' to say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.forms import BoundField

from aidashboard.kit.errors import Finding
from aidashboard.kit.quantity import QuantityError, parse_amount, parse_ceiling
from frontend.forms.styled import StyledForm
from frontend.resources import name_resource, unit_of

# As the rule of the domain has it; what is longer could be made by the API and not be typed here.
LONGEST_NAME: Final = 65
NAME_HELP: Final = (
    "Letters, digits, hyphens and underscores, without a dot. The queue in the cluster gets its name from it, once."
)
NAMESPACES_HELP: Final = "Separated by spaces or commas. They are created in the cluster."
ADOPT_LABEL: Final = "They exist already: adopt them as they are"
UNLIMITED_HINT: Final = "unlimited"
_SEPARATORS: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountRow:
    """One resource of a quantities form. `rules` are what both numbers must obey, in words."""

    label: str
    resource: str
    unit: str
    min: BoundField
    max: BoundField
    rules: str


class DraftForm(StyledForm):
    """A form whose outcome is put into a draft. `version` is that of the node its author looked at."""

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    # What findings call a field of ours, where that differs.
    field_aliases: ClassVar[Mapping[str, str]] = {}

    # Whether rules between nodes are broken: a later change of the same draft may mend them, so the change may be kept all the same.
    breaks_rules = False

    @property
    def read_version(self) -> int | None:
        version: int | None = self.cleaned_data.get("version")
        return version or None

    def leading_fields(self) -> list[BoundField]:
        """What stands above the table of quantities, in forms that have one."""
        return self.visible_fields()

    def trailing_fields(self) -> list[BoundField]:
        """What stands below it."""
        return []

    def show(self, findings: Iterable[Finding], *, subject: str) -> None:
        """Put each finding about the node `subject` at its field, the others on top."""
        self.breaks_rules = True
        for finding in findings:
            field = self.place(finding)
            is_here = finding.subject in {"", subject} and field in self.fields
            self.add_error(field if is_here else None, finding.message)

    def place(self, finding: Finding) -> str:
        """Our field that a finding is about."""
        return self.field_aliases.get(finding.field, finding.field)


class QuantitiesForm(DraftForm):
    """Min and Max per resource, as people write quantities. An empty Min is 0, an empty Max unlimited."""

    other_resource = forms.CharField(
        label="Another resource",
        required=False,
        max_length=317,
        widget=forms.TextInput(attrs={"placeholder": "another, for example amd.com/gpu", "class": "is-name"}),
    )
    other_min = forms.CharField(
        label="Min",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"aria-label": "Min of another resource"}),
    )
    other_max = forms.CharField(
        label="Max",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"aria-label": "Max of another resource"}),
    )

    def __init__(
        self,
        *args: Any,  # Any: as Django's own
        resources: Sequence[str],
        old_min: Mapping[str, str] | None = None,
        old_max: Mapping[str, str] | None = None,
        rules: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.resources = tuple(resources)
        self.old_min, self.old_max = dict(old_min or {}), dict(old_max or {})
        self.rules = dict(rules or {})
        super().__init__(*args, **kwargs)
        for resource in self.resources:
            for kind, old in (("min", self.old_min), ("max", self.old_max)):
                self.fields[f"{kind}.{resource}"] = _build_quantity_field(kind, resource, old.get(resource, ""))

    def clean(self) -> dict[str, Any]:  # Any: as Django's own
        super().clean()
        for resource in self.resources:
            self._check(f"min.{resource}", resource, "min")
            self._check(f"max.{resource}", resource, "max")
        other = self.cleaned_data.get("other_resource", "")
        if other:
            self._check("other_min", other, "min")
            self._check("other_max", other, "max")
        elif self.cleaned_data.get("other_min") or self.cleaned_data.get("other_max"):
            self.add_error("other_resource", "Name the resource that these quantities are of.")
        return self.cleaned_data

    def _check(self, field: str, resource: str, kind: str) -> None:
        text = self.cleaned_data.get(field, "")
        try:
            if kind == "max":
                parse_ceiling(resource, text)
            elif text:
                parse_amount(resource, text)
        except QuantityError as error:
            self.add_error(field, f"{error}.")

    def edits(self, kind: str) -> dict[str, str | None]:
        """What differs from the old quantities; None takes a resource out."""
        old = self.old_min if kind == "min" else self.old_max
        edits: dict[str, str | None] = {}
        for resource in self.resources:
            text = self.cleaned_data.get(f"{kind}.{resource}", "")
            if text != old.get(resource, ""):
                edits[resource] = text or None
        other, text = self.cleaned_data.get("other_resource", ""), self.cleaned_data.get(f"other_{kind}", "")
        if other and text:
            edits[other] = text
        return edits

    def place(self, finding: Finding) -> str:
        """Min and Max that contradict each other: the mistake is in the one that was typed."""
        kind, _, resource = finding.field.partition(".")
        is_typed_max = kind == "min" and resource in self.edits("max") and resource not in self.edits("min")
        return f"max.{resource}" if finding.rule == "V1" and is_typed_max else super().place(finding)

    def quantities(self, kind: str) -> dict[str, str]:
        """All quantities that are given."""
        old = self.old_min if kind == "min" else self.old_max
        return {name: text for name, text in {**old, **self.edits(kind)}.items() if text is not None}

    def amount_rows(self) -> tuple[AmountRow, ...]:
        return tuple(
            AmountRow(
                label=name_resource(resource),
                resource=resource,
                unit=unit_of(resource),
                min=self[f"min.{resource}"],
                max=self[f"max.{resource}"],
                rules=self.rules.get(resource, ""),
            )
            for resource in self.resources
        )

    def leading_fields(self) -> list[BoundField]:
        """The name, above the table of quantities."""
        return self._list_plain_fields()[:1]

    def trailing_fields(self) -> list[BoundField]:
        return self._list_plain_fields()[1:]

    def _list_plain_fields(self) -> list[BoundField]:
        """The visible fields that are not part of the table of quantities."""
        return [field for field in self.visible_fields() if not field.name.startswith(("min.", "max.", "other_"))]


class NodeAddForm(QuantitiesForm):
    """A new node, at once with its namespaces and its group."""

    name = forms.CharField(label="Name", max_length=LONGEST_NAME, help_text=NAME_HELP)
    namespaces = forms.CharField(label="Namespaces", required=False, max_length=2000, help_text=NAMESPACES_HELP)
    adopt = forms.BooleanField(label=ADOPT_LABEL, required=False)
    group = forms.ChoiceField(
        label="User group", required=False, help_text="Its members may use the quota; only a leaf has one."
    )
    field_order = ("name", "namespaces", "adopt", "group")

    def __init__(self, *args: Any, groups: Sequence[str], **kwargs: Any) -> None:  # Any: as Django's own
        super().__init__(*args, **kwargs)
        self.fields["group"] = _build_group_field(self.fields["group"], groups)

    @property
    def namespace_names(self) -> list[str]:
        return [name for name in _SEPARATORS.split(self.cleaned_data["namespaces"].strip()) if name]


class TreeForm(QuantitiesForm):
    """A new tree: its root."""

    name = forms.CharField(label="Name", max_length=LONGEST_NAME, initial="root", help_text=NAME_HELP)
    field_order = ("name",)


class NameForm(DraftForm):
    name = forms.CharField(
        label="Name", max_length=LONGEST_NAME, help_text="The queue keeps its name, so nothing that runs is disturbed."
    )


class MoveForm(DraftForm):
    """Where to put a node."""

    parent = forms.ChoiceField(label="New parent", help_text="The node moves with everything below it.")

    def __init__(self, *args: Any, parents: Sequence[tuple[str, str]], **kwargs: Any) -> None:  # Any: as Django's own
        super().__init__(*args, **kwargs)
        field = self.fields["parent"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared so above)
        field.choices = list(parents)


class NamespaceForm(DraftForm):
    field_aliases: ClassVar[Mapping[str, str]] = {"namespaces": "namespace"}

    namespace = forms.CharField(
        label="Namespace",
        max_length=63,
        help_text="Work in it counts against this quota. It belongs to one leaf at most.",
        widget=forms.TextInput(attrs={"list": "free-namespaces", "autocomplete": "off", "spellcheck": "false"}),
    )
    adopt = forms.BooleanField(
        label="It exists already: adopt it as it is",
        required=False,
        help_text="Without this it is created in the cluster.",
    )


class GroupForm(DraftForm):
    group = forms.ChoiceField(
        label="User group", required=False, help_text="Its members may use this quota. Empty: nobody's."
    )

    def __init__(self, *args: Any, groups: Sequence[str], **kwargs: Any) -> None:  # Any: as Django's own
        super().__init__(*args, **kwargs)
        self.fields["group"] = _build_group_field(self.fields["group"], groups)


class EmptyForm(DraftForm):
    """Nothing but the version: the button is all there is to say."""


def _build_quantity_field(kind: str, resource: str, old: str) -> forms.CharField:
    word = kind.capitalize()
    label = f"{word} {name_resource(resource)}"
    attributes = {
        "aria-label": label,
        "class": "form-control",
        "autocomplete": "off",
        "spellcheck": "false",
        "placeholder": "0" if kind == "min" else UNLIMITED_HINT,
    }
    return forms.CharField(
        label=label, required=False, max_length=40, initial=old, widget=forms.TextInput(attrs=attributes)
    )


def _build_group_field(field: forms.Field, groups: Sequence[str]) -> forms.Field:
    assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared so above)
    field.choices = [("", "no group"), *((name, name) for name in groups)]
    return field


class ApplyForm(StyledForm):
    """`typed_name` lifts the rule about running pods when it is the tree's name."""

    typed_name = forms.CharField(required=False, max_length=LONGEST_NAME)
