"""Django's forms with the looks of our inputs, so that templates only say `{{ field }}`; and the form that asks for a name."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms


class StyledForm(forms.Form):
    """Gives every widget the class that its kind has in our stylesheets; a class of the widget's own stays.

    The first field with a mistake gets the cursor, without script.
    """

    # Fields of which one must be given: none of them is called optional.
    alternatives: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as Django's own
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if field.label:
                field.error_messages["required"] = f"{field.label} is missing."
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput | forms.HiddenInput):
                continue
            kind = "form-select" if isinstance(widget, forms.Select) else "form-control"
            widget.attrs["class"] = f"{kind} {widget.attrs.get('class', '')}".strip()

    def add_error(self, field: str | None, error: Any) -> None:  # Any: as Django's own
        super().add_error(field, error)
        first = next((name for name in self.fields if name in self.errors), None)
        for name, each in self.fields.items():
            if name == first:
                each.widget.attrs["autofocus"] = True
            else:
                each.widget.attrs.pop("autofocus", None)


class TypedNameForm(StyledForm):
    """Asks for the name of what will be lost, for things that can't be undone. `undone` says what did not happen when it is another."""

    typed_name = forms.CharField(
        max_length=65,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, name: str, undone: str, **kwargs: Any) -> None:  # Any: as Django's own
        super().__init__(*args, **kwargs)
        self.name = name
        self.undone = undone

    def clean_typed_name(self) -> str:
        typed: str = self.cleaned_data["typed_name"]
        if typed != self.name:
            raise forms.ValidationError(f"{typed!r} is not {self.name!r}: {self.undone}.")
        return typed
