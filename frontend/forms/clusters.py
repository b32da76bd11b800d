"""Forms of clusters. They check shape; whether the cluster answers and what is missing there is the service's to say."""

from __future__ import annotations

from typing import Final, TypedDict

from django import forms
from django.core.files.uploadedfile import UploadedFile

from frontend.forms.styled import StyledForm

LARGEST_KUBECONFIG_BYTES: Final = 1024 * 1024
NAME_HELP: Final = "Lower-case letters, digits and hyphens. Addresses and labels carry it; it can't be changed later."
KUBECONFIG_HELP: Final = (
    "Paste it here or choose the file below. It must carry its credential: no path, no login program."
)
CA_HELP: Final = (
    "PEM, begins with -----BEGIN CERTIFICATE-----. Empty when the server's certificate is publicly trusted."
)


class KubeconfigFields(StyledForm):
    """A kubeconfig as text or file; `kubeconfig` is the text in both cases."""

    alternatives = frozenset({"kubeconfig", "kubeconfig_file"})

    kubeconfig = forms.CharField(
        label="Kubeconfig",
        required=False,
        strip=False,
        max_length=LARGEST_KUBECONFIG_BYTES,
        help_text=KUBECONFIG_HELP,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocomplete": "off", "class": "is-code"}),
    )
    kubeconfig_file = forms.FileField(label="or a kubeconfig file", required=False)
    context = forms.CharField(
        label="Context", max_length=253, required=False, help_text="Empty: the kubeconfig's current context."
    )

    def clean(self) -> dict[str, object]:
        data: dict[str, object] = super().clean() or self.cleaned_data
        uploaded = data.get("kubeconfig_file")
        if isinstance(uploaded, UploadedFile):
            data["kubeconfig"] = self._read(uploaded)
        if not data.get("kubeconfig") and not self.errors.keys() & {"kubeconfig", "kubeconfig_file"}:
            self.add_error("kubeconfig", "Paste a kubeconfig, or choose a file.")
        return data

    def _read(self, uploaded: UploadedFile[bytes]) -> str:
        if (uploaded.size or 0) > LARGEST_KUBECONFIG_BYTES:
            self.add_error("kubeconfig_file", f"{uploaded.name} is larger than 1 MiB: that is no kubeconfig.")
            return ""
        content: bytes = uploaded.read()
        try:
            return content.decode()
        except UnicodeDecodeError:
            self.add_error("kubeconfig_file", f"{uploaded.name} is not a text file.")
            return ""


class TokenFields(StyledForm):
    api_server_url = forms.URLField(
        label="API server",
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://10.0.0.1:6443"}),
    )
    token = forms.CharField(
        label="Bearer token",
        help_text="Of a ServiceAccount with the rights of the product. It is stored encrypted and never shown again.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "is-code"}),
    )
    certificate_authority = forms.CharField(
        label="Certificate authority",
        required=False,
        help_text=CA_HELP,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "is-code"}),
    )


class NameFields(StyledForm):
    name = forms.CharField(label="Name", max_length=63, help_text=NAME_HELP)
    display_name = forms.CharField(label="Shown as", max_length=120, required=False)


class KubeconfigValues(TypedDict):
    name: str
    display_name: str
    kubeconfig: str
    context: str


class TokenValues(TypedDict):
    name: str
    display_name: str
    api_server_url: str
    token: str
    certificate_authority: str


class RegisterByKubeconfigForm(KubeconfigFields, NameFields):
    field_order = ("name", "display_name", "kubeconfig", "kubeconfig_file", "context")

    @property
    def values(self) -> KubeconfigValues:
        data = self.cleaned_data
        return KubeconfigValues(
            name=data["name"],
            display_name=data["display_name"],
            kubeconfig=data["kubeconfig"],
            context=data["context"],
        )


class RegisterByTokenForm(TokenFields, NameFields):
    field_order = ("name", "display_name", "api_server_url", "token", "certificate_authority")

    @property
    def values(self) -> TokenValues:
        data = self.cleaned_data
        return TokenValues(
            name=data["name"],
            display_name=data["display_name"],
            api_server_url=data["api_server_url"],
            token=data["token"],
            certificate_authority=data["certificate_authority"],
        )


class TokenField(StyledForm):
    """A new token for the address that the cluster has."""

    token = forms.CharField(
        label="Bearer token",
        help_text="For the same address. It is stored encrypted and never shown again.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "is-code"}),
    )


class SourceValues(TypedDict):
    url: str
    bearer_token: str | None


class PrometheusForm(StyledForm):
    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Of Prometheus, Thanos, Mimir or anything else that speaks its API.",
        widget=forms.URLInput(attrs={"placeholder": "http://prometheus.monitoring:9090"}),
    )
    bearer_token = forms.CharField(
        label="Bearer token",
        required=False,
        help_text="Only if it asks for one. Stored encrypted and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    forgets_token = forms.BooleanField(label="Forget the stored token", required=False)

    def __init__(self, data: object = None, *, initial: dict[str, str], has_token: bool) -> None:
        super().__init__(data, initial=initial)
        if has_token:
            self.fields["bearer_token"].help_text = "One is stored. Empty keeps it."
        else:
            del self.fields["forgets_token"]

    @property
    def values(self) -> SourceValues:
        """No token typed keeps the stored one (None), unless it is to be forgotten ("")."""
        data = self.cleaned_data
        token: str | None = data["bearer_token"] or ("" if data.get("forgets_token") else None)
        return SourceValues(url=data["url"], bearer_token=token)
