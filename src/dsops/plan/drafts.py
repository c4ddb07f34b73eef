"""Turn the stores that an environment needs into drafts: expand strings, check keys, find regions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping

from dsops.arn import parse_arn, partition_named
from dsops.document import Scalar
from dsops.errors import (
    ConfigError,
    LimitExceeded,
    Problem,
    StoreTypeUnknown,
    StoreUnknown,
    VariableUnset,
    Where,
    nearest,
)
from dsops.interpolate import TIMESTAMP, USER, InterpolationNames, expand_node, expand_text, names_in
from dsops.model import Config, Field, StoreEntry
from dsops.plan.draft import Draft
from dsops.plan.findings import PlanFindings
from dsops.plan.limits import StepLocation
from dsops.plan.types import Ambient, Proof
from dsops.schema import REASON_TO, Operation, Settings, StoreType, check_setting, check_store, fitted, operation_for
from dsops.user_folders import home_folder

_SYMBOL = "${TIMESTAMP}"
_UNFIT = r"[^A-Za-z0-9_+=,.@-]"
_SESSION_NAME_LENGTH = 64


class Drafts:
    """The drafts of all needed stores. Each draft comes after the draft of the store whose credentials it uses."""

    def __init__(
        self,
        config: Config,
        names: InterpolationNames,
        ambient: Callable[[str], Ambient],
        store_types: Mapping[str, StoreType],
        findings: PlanFindings,
        proof: Callable[[str, Settings], Proof],
        reason: str = "",
    ) -> None:
        self.by_name: dict[str, Draft] = {}
        self.ambient: dict[str, Ambient] = {}
        self._config = config
        self._names = names
        self._symbolic = names._replace(symbolic_timestamp=True)
        # A command starts in the folder of the file that names it, with symbolic links resolved. In the working folder,
        # or in a link's folder, a relative path could be a different program than the allowed one.
        self._folders = {file.shown: os.path.dirname(file.path) for file in config.all_files}
        self._find_ambient = ambient
        self._find_proof = proof
        self._reason = reason
        self._session_names: tuple[str, ...] = ()
        self._store_types = store_types
        self._findings = findings
        self._failed: set[str] = set()

    def add(self, name: str, where: Where) -> Draft | None:
        """Add the store's draft (once) and return it; None if the store has a problem."""
        if name in self.by_name or name in self._failed:
            return self.by_name.get(name)
        self._failed.add(
            name
        )  # Until the draft is complete, the store counts as failed. This ends the recursion if stores form a cycle.
        store = self._config.stores.get(name)
        if store is None:
            near = nearest(name, self._config.stores)
            hint = f"did you mean `{near}`?" if near else ""
            self._findings.add(StoreUnknown, where, "", f"there is no store `{name}`", hint)
            return None
        store_type = self._store_types.get(store.type)
        path = f"secretStores.{name}"
        if store_type is None:
            near = nearest(store.type, self._store_types)
            hint = f"did you mean `{near}`?" if near else "install the package that provides it"
            message = f"no installed package provides the store type `{store.type}`"
            self._findings.add(StoreTypeUnknown, store.where, f"{path}.type", message, hint)
            return None
        draft = self._draft(store, store_type, path)
        if draft is not None:
            self._failed.discard(name)
            self.by_name[name] = draft
        return draft

    def ambient_of(self, profile: str) -> Ambient:
        """Return the base identity of a profile ("" for none). Each profile is looked up once."""
        if profile not in self.ambient:
            self.ambient[profile] = self._find_ambient(profile)
        return self.ambient[profile]

    def texts_of_others(self, type_name: str) -> Iterator[Mapping[str, str]]:
        """Yield the strings of each store of that type that the plan does not need.

        Strings that can't be expanded are left out.
        """
        for store in self._config.stores.values():
            if store.type != type_name or store.name in self.by_name or store.name in self._failed:
                continue
            texts = {}
            for name, field in store.fields.items():
                if isinstance(field.node, Scalar):
                    try:
                        texts[name] = expand_text(field.node.text, self._names, field.where, "")
                    except VariableUnset:
                        continue
            yield texts

    def _draft(self, store: StoreEntry, store_type: StoreType, path: str) -> Draft | None:
        fields, failed, variable = self._expand(store, store_type, path)
        draft = Draft(store.name, store_type, StepLocation(path, fields, store.where), store.where)
        all_fields = {**store.fields, **fields}
        operation, store_type = operation_for(store_type, all_fields), fitted(store_type, all_fields)
        draft.operation = operation.name if operation else ""
        draft.has_proof = any(name in store.fields for name in store_type.proof_keys)
        # `_expand` has already reported the unset variable.
        unknown = {name: store.fields[name] for name in failed}
        checked = check_store(store_type, fields, store.where, path, unknown=unknown)
        for problem in checked.problems:
            self._findings.add_problem(_with_origin(problem, store, path))
        for limit in checked.limits:
            self._findings.add_problem(_with_origin(limit, store, path), LimitExceeded)
        draft.settings = dict(checked.settings)
        self._place_in_folder(draft)
        self._keep_symbols(draft, store, path)
        if operation is not None:
            self._complete(draft, operation, variable)
        if not store_type.takes_credentials:
            return None if failed or checked.problems else draft
        draft.credentials_from = _taken(draft, "credentials_from")
        draft.profile = _taken(draft, "profile")
        source = None
        if draft.credentials_from:
            source = self.add(draft.credentials_from, draft.place.where("credentials_from"))
        elif draft.has_proof:
            if not (failed or checked.problems) and not self._prove(draft):
                return None
        elif not failed:
            self.ambient_of(draft.profile)
        is_broken = bool(failed or checked.problems or (draft.credentials_from and source is None))
        draft.region = self._region(draft, source)
        return None if is_broken else draft

    def _prove(self, draft: Draft) -> bool:
        """Identify the store's token or login.

        Returns False, and reports the problem, if the token or login does not exist.
        """
        try:
            draft.proof = self._find_proof(draft.type.name, draft.settings)
        except ConfigError as error:
            name = next(name for name in draft.type.proof_keys if name in draft.settings)
            self._findings.add_error(error, draft.place.where(name), draft.place.path_of(name))
            return False
        if draft.proof.login is not None and draft.proof.login.note:
            self._findings.notes.append(draft.proof.login.note)
        return True

    def _place_in_folder(self, draft: Draft) -> None:
        """Make the paths of commands and files relative to the folder of the configuration file that contains them."""
        for key in draft.type.keys:
            if key.kind not in {"command", "file"} or key.name not in draft.settings:
                continue
            setting = draft.settings[key.name]
            folder = self._folders.get(draft.place.where(key.name).file)
            if not folder:
                continue
            if key.kind == "command":
                draft.settings[f"{key.name}_folder"] = folder
            elif isinstance(setting, str):
                draft.settings[key.name] = os.path.join(folder, self._at_home(setting))

    def _at_home(self, path: str) -> str:
        """Replace a leading `~/` by the home folder, as a shell does. `~ada/` is not supported."""
        home = home_folder(self._names.environ)
        return os.path.join(home, path[2:]) if home and path.startswith("~/") else path

    def _expand(
        self, store: StoreEntry, store_type: StoreType, path: str
    ) -> tuple[dict[str, Field], frozenset[str], str]:
        """Expand the fields of a store.

        Returns the expanded fields, the names of the fields that could not be expanded, and the name of the
        environment variable that may contain the MFA code.
        """
        fields: dict[str, Field] = {}
        failed: set[str] = set()
        variable = ""
        askable = {key.name for key in store_type.keys if key.is_askable}
        for name, field in store.fields.items():
            try:
                node = expand_node(field.node, self._names, field.where.file, f"{path}.{name}")
            except VariableUnset as error:
                # `${MFA_TOKEN:?message}` fails if the variable is unset, so dsops can't ask for the code instead.
                if name not in askable or error.why:
                    failed.add(name)
                    self._findings.add_error(error, field.where, f"{path}.{name}")
                elif isinstance(field.node, Scalar):
                    variable = names_in(field.node.text)[0]
                continue
            if name in askable and isinstance(node, Scalar) and isinstance(field.node, Scalar):
                variable = next(iter(names_in(field.node.text)), "")
                if not node.text and variable:
                    continue
            fields[name] = Field(node, field.where)
        return fields, frozenset(failed), variable

    def _keep_symbols(self, draft: Draft, store: StoreEntry, path: str) -> None:
        """Fill `identity` with the settings. A timestamp that changes in every run stays `${TIMESTAMP}`."""
        draft.identity = {name: setting for name, setting in draft.settings.items() if name != "endpoint_url"}
        for key in draft.type.keys:
            if not key.is_identity or key.name not in draft.settings:
                continue
            field, setting = draft.place.field(key.name), draft.settings[key.name]
            if field is None:
                continue
            setting_node = store.fields[key.name].node
            node = expand_node(setting_node, self._symbolic, field.where.file, path)
            if node != field.node:
                symbolic = check_setting(key, Field(node, field.where), path).setting
                draft.identity[key.name] = setting if symbolic is None else symbolic

    def _complete(self, draft: Draft, operation: Operation, variable: str) -> None:
        """Add the operation's defaults, and the name of the variable for the MFA code.

        The error for a missing code tells the user to set this variable.
        """
        for settings in (draft.settings, draft.identity):
            settings.setdefault("duration_seconds", operation.default_seconds)
            settings.pop("operation", None)
        if "role_session_name" in operation.takes and "role_session_name" not in draft.settings:
            if not self._session_names:
                self._session_names = self.default_session_name(self._names), self.default_session_name(self._symbolic)
            draft.settings["role_session_name"], draft.identity["role_session_name"] = self._session_names
        if variable and "token_code" not in draft.settings:
            draft.settings["token_code_variable"] = variable
        if REASON_TO in draft.settings and self._reason:
            from dsops.plan.reason import give_reason

            give_reason(draft, self._reason, self._findings)

    @staticmethod
    def default_session_name(names: InterpolationNames) -> str:
        """Return the default session name, `dsops-ada-20261124T120000Z`.

        Characters that AWS refuses are replaced.
        """
        timestamp = names.get(TIMESTAMP) or ""
        if timestamp != _SYMBOL:
            timestamp = re.sub(_UNFIT, "-", timestamp)
        room = _SESSION_NAME_LENGTH - len("dsops--") - 20
        user = re.sub(_UNFIT, "-", names.get(USER) or "")[:room]
        name = "-".join([part for part in ("dsops", user, timestamp) if part])
        return name if name.endswith(_SYMBOL) else name[:_SESSION_NAME_LENGTH]

    def _region(self, draft: Draft, source: Draft | None) -> str:
        """Return the store's region; "" if it is unknown. The sources are tried in the documented order."""
        region = _taken(draft, "region")
        if not region and draft.profile and not draft.has_proof:
            region = self.ambient_of(draft.profile).region
        region = (
            region or self._names.environ.get("AWS_REGION", "") or self._names.environ.get("AWS_DEFAULT_REGION", "")
        )
        if not region and source is not None:
            region = source.region
        if not region and source is None and not draft.credentials_from and not draft.has_proof:
            # Use the region of AWS_PROFILE or the default profile, unless the base credentials are keys in environment
            # variables.
            region = self.ambient_of(draft.profile).region
        if not region and draft.operation:
            role = parse_arn(str(draft.settings.get("role_arn", "")))
            partition = partition_named(role.partition) if role else None
            region = partition.global_region if partition else "us-east-1"
        if region or draft.proof is None:
            return region
        return draft.proof.login.region if draft.proof.login is not None else draft.proof.region


def _with_origin(problem: Problem, store: StoreEntry, path: str) -> Problem:
    """Add the names of the variables in a value to the problem's hint.

    The file shows only a name, such as `${EXTERNAL_ID}`, and not the value.
    """
    field = store.fields.get(problem.path.removeprefix(f"{path}."))
    names = names_in(field.node.text) if field is not None and isinstance(field.node, Scalar) else ()
    if not names:
        return problem
    origin = f"it comes from {', '.join(f'${{{name}}}' for name in names)}"
    return problem._replace(hint=f"{problem.hint}; {origin}" if problem.hint else origin)


def _taken(draft: Draft, name: str) -> str:
    """Remove a setting and return it; "" if it is not a string. Used for settings that Step stores as attributes."""
    draft.identity.pop(name, None)
    setting = draft.settings.pop(name, "")
    return setting if isinstance(setting, str) else ""


def region_missing(draft: Draft) -> tuple[type[ConfigError], Where, str, str, str]:
    """Return the problem that a store has no region, as arguments for `PlanFindings.add`."""
    hint = "write `region: us-east-1` (or another) into it, or set AWS_REGION"
    return ConfigError, draft.where, draft.place.path, "no region is known for this store", hint
