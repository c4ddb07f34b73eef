"""The keys of store types and the check that applies them."""

from __future__ import annotations

import json
import re

import pytest
from botocore.loaders import Loader

from dsops.document import Mapping, parse_yaml
from dsops.errors import Problem, Where
from dsops.model import Field
from dsops.schema import (
    BUILTIN_TYPES,
    CheckedSetting,
    Setting,
    StoreKey,
    StoreType,
    check_setting,
    check_shape,
    check_store,
    fitted,
    unknown_key,
)
from dsops.schema.check import CheckedStore
from dsops.secret import Secret

ROLE = "role_arn: arn:aws:iam::123456789012:role/App\n"
STS = BUILTIN_TYPES["aws.sts"]


def key_of(name: str, type_name: str = "aws.sts") -> StoreKey:
    """Return a key by name, in a store with a role."""
    store_type = fitted(BUILTIN_TYPES[type_name], {"role_arn": field("arn")})
    return next(key for key in store_type.keys if key.name == name)


def field(yaml: str) -> Field:
    """Return the field `key: YAML`."""
    root = parse_yaml(f"key: {yaml}", "dsops.yaml").root
    assert isinstance(root, Mapping)
    return Field(root.entries[0][1], Where("dsops.yaml", 1))


def checked(name: str, yaml: str, type_name: str = "aws.sts") -> CheckedSetting:
    """Return the result of checking one key."""
    return check_setting(key_of(name, type_name), field(yaml), f"secretStores.x.{name}")


def setting(name: str, yaml: str, type_name: str = "aws.sts") -> Setting | None:
    """Return the setting of a valid value."""
    found = checked(name, yaml, type_name)
    assert (found.problems, found.limits) == ((), ())
    return found.setting


def problem(name: str, yaml: str, type_name: str = "aws.sts") -> str:
    """Return the message of the only problem; assert that there is no setting."""
    found = checked(name, yaml, type_name)
    assert (found.setting, found.limits, len(found.problems)) == (None, (), 1)
    assert found.problems[0].where.file == "dsops.yaml"
    assert found.problems[0].path == f"secretStores.x.{name}"
    return found.problems[0].message


def limit(name: str, yaml: str, type_name: str = "aws.sts") -> Problem:
    """Return the only exceeded limit; the setting is kept."""
    found = checked(name, yaml, type_name)
    assert (found.problems, len(found.limits)) == ((), 1)
    return found.limits[0]


def store(yaml: str, type_name: str = "aws.sts") -> CheckedStore:
    """Return the result of checking a whole store."""
    root = parse_yaml(yaml, "dsops.yaml").root
    assert isinstance(root, Mapping)
    fields = {key.text: Field(node, Where("dsops.yaml", key.line)) for key, node in root.entries}
    store_type = fitted(BUILTIN_TYPES[type_name], fields)
    return check_store(store_type, fields, Where("dsops.yaml"), "secretStores.x")


class TestSettings:
    """Valid values and the settings that they become."""

    @pytest.mark.parametrize(
        ("name", "yaml", "expected"),
        [
            ("role_session_name", "007", "007"),
            ("role_session_name", "true", "true"),
            ("duration_seconds", "3600", 3600),
            ("duration_seconds", '" 0900 "', 900),
            ("token_code", "012345", Secret("012345")),
            ("external_id", "123456789012", Secret("123456789012")),
            ("serial_number", "GAHT12345678", "GAHT12345678"),
            ("policy_arns", "arn:aws:iam::aws:policy/ReadOnlyAccess", ("arn:aws:iam::aws:policy/ReadOnlyAccess",)),
            ("transitive_tag_keys", "[a, 1]", ("a", "1")),
            ("tags", "{team: a b, id: 007, none: }", (("team", "a b"), ("id", "007"), ("none", ""))),
            ("mfa_process", "op item 'a b' --otp", ("op", "item", "a b", "--otp")),
            ("mfa_process", "[op, a b, 1]", ("op", "a b", "1")),
            ("session_policy", "'{\"Statement\": [ ]}'", '{"Statement":[]}'),
            ("session_policy", "{Version: 2012-10-17, Statement: [{N: 1.0}]}", None),
            ("endpoint_url", "http://127.0.0.1:4566", "http://127.0.0.1:4566"),
            ("credentials_from", "jump", "jump"),
        ],
    )
    def test_of_every_kind(self, name: str, yaml: str, expected: Setting | None) -> None:
        """Values of every type are converted: texts stay as written, single items become lists, commands are split."""
        expected = '{"Version":"2012-10-17","Statement":[{"N":1.0}]}' if expected is None else expected
        assert expected == setting(name, yaml)

    @pytest.mark.parametrize(("yaml", "expected"), [("yes", True), ("False", False), ("'on'", True), ("OFF", False)])
    def test_booleans_have_many_spellings(self, yaml: str, expected: bool) -> None:  # noqa: FBT001
        """Booleans may be spelled as in YAML 1.1 and 1.2, quoted or not."""
        assert setting("with_decryption", yaml, "aws.ssm") is expected

    def test_values_of_a_literal_store_are_secrets(self) -> None:
        """The values of a literal store are Secrets that contain the text as written."""
        expected = (("a", Secret("007")), ("b", Secret("no")))
        assert expected == setting("values", "{a: 007, b: no}", "literal")

    def test_a_policy_beyond_latin_is_escaped(self) -> None:
        """Characters beyond Latin-1 in a policy are escaped, since AWS accepts characters up to U+00FF."""
        text = setting("session_policy", "{Sid: é日😀}")
        assert text == '{"Sid":"é\\u65e5\\ud83d\\ude00"}'
        assert json.loads(str(text)) == {"Sid": "é日😀"}


class TestProblems:
    """Problems of values that can be found without the environment."""

    @pytest.mark.parametrize(
        ("name", "yaml", "message"),
        [
            ("role_arn", "[a]", "`role_arn` takes one text, not this list"),
            ("role_arn", "{a: b}", "`role_arn` takes one text, not this mapping"),
            ("role_arn", "", "`role_arn` takes one text, not nothing"),
            ("duration_seconds", "[1]", "`duration_seconds` takes a whole number, not this list"),
            ("duration_seconds", "1h", "`duration_seconds` takes a whole number, not `1h`"),
            ("duration_seconds", "3600.0", "`duration_seconds` takes a whole number, not `3600.0`"),
            ("duration_seconds", "9" * 5000, f"`duration_seconds` takes a whole number, not `{'9' * 80}...`"),
            ("tags", "[a]", "`tags` takes a mapping of texts, not this list"),
            ("tags", "{a: [b]}", "`tags` takes a mapping of texts, not this mapping"),
            ("policy_arns", "[a, [b]]", "`policy_arns` takes a list of texts, not this list"),
            ("policy_arns", "{a: b}", "`policy_arns` takes a list of texts, not this mapping"),
            ("session_policy", "[a]", "`session_policy` takes a JSON text or a mapping, not this list"),
            ("mfa_process", "'a \"b'", "`mfa_process` can't be split into words: no closing quotation"),
            ("mfa_process", "''", "`mfa_process` names no command"),
            ("mfa_process", "[]", "`mfa_process` names no command"),
            ("mfa_process", '["a\\0b"]', "`mfa_process` holds a NUL character"),
            ("profile", '"a\\0b"', "`profile` holds a NUL character"),
            ("endpoint_url", "localhost:4566", "`endpoint_url` is not an address"),
            ("endpoint_url", "https://a@b", "`endpoint_url` is not an address"),
        ],
    )
    def test_of_shape(self, name: str, yaml: str, message: str) -> None:
        """A value of the wrong type is a problem."""
        assert message == problem(name, yaml)

    @pytest.mark.parametrize(
        "host", ["sts.us-east-1.amazonaws.com", "10.0.0.1", "example.com:8080", "localhost.evil.com"]
    )
    def test_an_unencrypted_endpoint_off_loopback_is_refused(self, host: str) -> None:
        """An http endpoint beyond loopback is a problem for every user."""
        assert (
            problem("endpoint_url", f"http://{host}") == f"`endpoint_url` would send credentials unencrypted to {host}"
        )
        assert setting("endpoint_url", f"https://{host}") == f"https://{host}"

    def test_a_choice_is_offered(self) -> None:
        """A misspelt choice has a suggestion."""
        found = checked("batch", "nevr", "aws.secretsmanager").problems
        assert [(entry.message, entry.hint) for entry in found] == [
            ("`batch` is one of auto, never", "did you mean `never`?")
        ]

    def test_a_boolean_is_one_of_two(self) -> None:
        """A boolean must be true or false."""
        message = "`with_decryption` takes true or false, not `maybe`"
        assert message == problem("with_decryption", "maybe", "aws.ssm")

    def test_a_shape_is_checked_before_interpolation(self) -> None:
        """A value's type is checked before interpolation: a list is never a region."""
        assert check_shape(key_of("region"), field("['${A}']"), "p") is not None
        assert check_shape(key_of("region"), field("${A}"), "p") is None

    def test_the_line_is_that_of_the_value(self) -> None:
        """A problem in a list reports the line of the item."""
        found = checked("policy_arns", "\n  - arn:aws:iam::aws:policy/A\n  - nope")
        assert [one.where.line for one in found.limits] == [3]


class TestLimits:
    """Values beyond AWS's limits."""

    @pytest.mark.parametrize(
        ("name", "good", "bad", "words"),
        [
            ("duration_seconds", ["900", "43200"], ["899", "43201", "0", "-900"], "43200|the least is 900"),
            ("role_session_name", ["ab", "a" * 64, "'a_+=,.@-Z9'"], ["a", "a" * 65], "the (most is 64|least is 2)"),
            ("external_id", ["ab", "a" * 1224, "'a:/=@'"], ["a", "a" * 1225], "the (most is 1224|least is 2)"),
            ("serial_number", ["a" * 9, "arn:aws:iam::123456789012:mfa/user"], ["a" * 8, "a" * 257], "256|9"),
            ("source_identity", ["ab", "a" * 256], ["a", "a" * 257], "the (most is 256|least is 2)"),
            (
                "token_code",
                ["000000", "'123456'"],
                ["12345", "1234567", "12345a", "'12345 '", "\uff11\uff12\uff13\uff14\uff15\uff16"],
                "six digits",
            ),
            ("timeout_ms", ["1", "600000"], ["0", "600001"], "600000|the least is 1"),
            ("region", ["us-east-1", "aws-global"], ["US-east-1", "us_east", "a.b", "-a", "'us-east-1 '"], "us-east-1"),
        ],
    )
    def test_of_numbers_and_lengths(self, name: str, good: list[str], bad: list[str], words: str) -> None:
        """Each limit accepts the last valid value and refuses the first invalid value, at both ends."""
        for yaml in good:
            setting(name, yaml)
        for yaml in bad:
            assert re.search(words, limit(name, yaml).message), yaml

    def test_the_founding_pages_86400_seconds(self) -> None:
        """86400 seconds exceed the limit; the error names the limit and its source."""
        found = limit("duration_seconds", "86400")
        assert found.message == "`duration_seconds` is 86400, and the most is 43200 (the AssumeRole API reference)"
        assert found.hint == "write a number from 900 to 43200"
        assert found.where == Where("dsops.yaml", 1)

    def test_a_bad_character_is_named_with_a_name_that_would_do(self) -> None:
        """An invalid character in a session name is named, and the hint is a valid name."""
        found = limit("role_session_name", "DOMAIN\\user")
        assert found.message == (
            "`role_session_name` takes letters, digits and _+=,.@-; `\\` stands at position 7"
            " (the AssumeRole API reference)"
        )
        assert found.hint == "`DOMAIN-user` would do"
        assert limit("role_session_name", "Ünal").hint == "`-nal` would do"

    @pytest.mark.parametrize(("yaml", "words"), [("'hunter2 '", "white space"), ("hunter2*", "something else")])
    def test_of_an_external_id_not_one_character_is_shown(self, yaml: str, words: str) -> None:
        """The error for an invalid external ID does not show the ID; it may say that the ID ends in white space."""
        found = limit("external_id", yaml)
        assert words in found.message
        assert not any(part in f"{found.message}{found.hint}" for part in ("hunter2", "*"))

    def test_a_wrong_mfa_code_is_not_shown(self) -> None:
        """The error for an invalid MFA code does not show the code."""
        found = limit("token_code", "hunter2")
        assert "hunter2" not in f"{found.message}{found.hint}"

    @pytest.mark.parametrize(
        ("arn", "hint"),
        [
            ("admin", "`aws iam get-role --role-name admin` prints its ARN"),
            ("https://aws", "this is not an ARN"),
            ("123456789012", "this is an account's id: write `arn:aws:iam::123456789012:role/NAME`"),
            ("arn:aws:iam", "an ARN has six parts between colons"),
            ("arn:aws:iam::1234567890:role/App", "an account id has 12 digits, this one has 10"),
            ("arn:aws:iam:::role/App1234", "an account id has 12 digits, this one has 0"),
            ("arn:aws:iam::123456789012:user/bob", "this is the ARN of an IAM user, not of a role"),
            ("arn:aws:iam::123456789012:Role/App", "write `role` in lower case"),
            ("arn:aws:iam::123456789012:role/", "the role's name is missing at its end"),
            ("arn:aws:iam::123456789012:role/App ", "remove the white space around it"),
            ("$ROLE_ARN", "a variable is written ${NAME}, with letters, digits and _"),
            (
                "arn:aws:sts::123456789012:assumed-role/App/me",
                "this is the ARN of a role session: name the role itself",
            ),
            ("arn:aws:iam:us-east-1:123456789012:role/App", "an ARN of iam has no region"),
        ],
    )
    def test_a_bad_role_arn_tells_what_is_wrong_with_it(self, arn: str, hint: str) -> None:
        """The error for a bad role ARN says which part is wrong."""
        found = checked("role_arn", f'"{arn}"').limits
        shape = f"`role_arn` takes a role's ARN, arn:aws:iam::ACCOUNT:role/NAME, not `{arn}`"
        assert [(shape, hint)] == [(entry.message, entry.hint) for entry in found]

    @pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"])
    def test_roles_of_every_partition_and_path_are_good(self, partition: str) -> None:
        """Role ARNs of every partition, with paths and leading zeros, are valid."""
        arn = f"arn:{partition}:iam::000000000012:role/a/b!c/App+=,.@-_"
        assert arn == setting("role_arn", f'"{arn}"')

    def test_policy_arns_are_at_most_ten(self) -> None:
        """At most ten policy ARNs are allowed, and each must be the ARN of a policy."""
        arn = "arn:aws:iam::aws:policy/A"
        setting("policy_arns", f"[{', '.join([arn] * 10)}]")
        assert "has 11 entries" in limit("policy_arns", f"[{', '.join([arn] * 11)}]").message
        hint = limit("policy_arns", "arn:aws:iam::123456789012:role/App").hint
        assert hint == "this is the ARN of an IAM role, not of a policy"

    def test_tags_have_limits_of_number_length_and_characters(self) -> None:
        """Tags may use letters of any script; keys have up to 128 and values up to 256 characters.

        At most 50 tags are allowed.
        """
        setting("tags", f"{{{'k' * 128}: {'v' * 256}, Straße: 日本 10.0/€uro}}".replace("€", ""))
        assert "128" in limit("tags", f"{{{'k' * 129}: v}}").message
        assert "256" in limit("tags", f"{{k: {'v' * 257}}}").message
        assert "`tags` has an empty key" in limit("tags", '{"": v}').message
        assert "`€` stands at position 1" in limit("tags", "{k: €}").message
        assert "`*` stands at position 2" in limit("tags", "{'a*': v}").message
        entries = ", ".join(f"k{number}: v" for number in range(51))
        assert "has 51 entries, and the most is 50" in limit("tags", f"{{{entries}}}").message

    def test_a_session_policy_is_json_of_at_most_2048_characters(self) -> None:
        """A session policy is JSON of at most 2048 characters as sent, without white space."""
        long = json.dumps({"Statement": "x" * (2048 - len('{"Statement":""}'))})
        setting("session_policy", f"'{long}'")
        setting("session_policy", "|\n  " + long.replace('{"', '{\n\n\n  "'))
        assert "has 2049 characters" in limit("session_policy", "'" + long.replace("xx", "xxx", 1) + "'").message

    @pytest.mark.parametrize(
        ("yaml", "message"),
        [
            ("'{'", "`session_policy` is not JSON: the text ends before a `}` (line 1 of the policy)"),
            (
                '|\n  {"a": 1,\n   "a": 2}',
                "`session_policy` is not JSON: `a` occurs twice: on line 1 and here (line 2 of the policy)",
            ),
            ("'[1]'", "`session_policy` is not a JSON object"),
            ("''", "`session_policy` is not a JSON object"),
        ],
    )
    def test_a_session_policy_that_is_not_json_tells_its_line(self, yaml: str, message: str) -> None:
        """The error for a malformed session policy has the line within the policy."""
        found = limit("session_policy", yaml)
        assert message == found.message

    def test_the_limits_of_assume_role_are_botocores(self) -> None:
        """The limits of AssumeRole equal the limits in botocore's model, if the model has them."""
        shapes = Loader().load_service_model("sts", "service-2")["shapes"]
        members = {
            "role_arn": "RoleArn",
            "role_session_name": "RoleSessionName",
            "duration_seconds": "DurationSeconds",
            "external_id": "ExternalId",
            "serial_number": "SerialNumber",
        }
        for name, member in members.items():
            model = shapes[shapes["AssumeRoleRequest"]["members"][member]["shape"]]
            key = key_of(name)
            assert (model["min"], model["max"]) == (key.minimum, key.maximum), name
        tag = shapes["tagKeyType"], shapes["tagValueType"]
        assert (tag[0]["min"], tag[0]["max"], tag[1]["max"]) == (1, 128, 256)

    @pytest.mark.parametrize(
        ("operation", "members"),
        [
            ("AssumeRole", {"session_policy": "Policy", "policy_arns": "PolicyArns", "tags": "Tags"}),
            ("AssumeRoleWithWebIdentity", {"web_identity_token": "WebIdentityToken"}),
            ("AssumeRoleWithSAML", {"principal_arn": "PrincipalArn", "role_arn": "RoleArn"}),
            ("AssumeRoot", {"target_principal": "TargetPrincipal", "task_policy_arn": "TaskPolicyArn"}),
            ("GetFederationToken", {"federated_user_name": "Name", "tags": "Tags"}),
            ("GetSessionToken", {"serial_number": "SerialNumber"}),
        ],
    )
    def test_each_operation_is_as_in_botocores_model(self, operation: str, members: dict[str, str]) -> None:
        """Each operation has the parameters, durations and signing of botocore's model."""
        model = Loader().load_service_model("sts", "service-2")
        taken = model["shapes"][model["operations"][operation]["input"]["shape"]]["members"]
        ours = next(each for each in STS.operations if each.name == operation)
        assert set(members) <= ours.takes
        assert set(members.values()) <= set(taken)
        duration = model["shapes"][taken["DurationSeconds"]["shape"]]
        assert (duration["min"], duration["max"]) == (ours.least_seconds, ours.most_seconds)
        assert (model["operations"][operation].get("authtype") != "none") == ours.is_signed

    def test_the_limits_of_names_are_botocores(self) -> None:
        """The name limits of the operations other than AssumeRole equal those in botocore's model."""
        shapes = Loader().load_service_model("sts", "service-2")["shapes"]
        name, contexts = shapes["userNameType"], shapes["ProvidedContextsListType"]
        key = key_of("federated_user_name")
        assert (name["min"], name["max"]) == (key.minimum, key.maximum)
        key = key_of("provided_contexts")
        assert contexts["max"] == key.maximum_items
        assertion = shapes["contextAssertionType"]
        assert assertion["max"] == key.maximum_value


class TestStores:
    """Checks that involve several keys of one store."""

    def test_a_good_store(self) -> None:
        """Every field of a valid store becomes a setting."""
        found = store(ROLE + "duration_seconds: 900\n")
        expected = {"role_arn": "arn:aws:iam::123456789012:role/App", "duration_seconds": 900}
        assert (expected, (), ()) == (found.settings, found.problems, found.limits)

    def test_everything_wrong_is_told_at_once(self) -> None:
        """Missing keys, unknown keys, problems and exceeded limits are all reported at once."""
        found = store("duraton_seconds: 900\nexternal_id: [x]\nrole_session_name: a\n")
        assert [(one.where.line, one.path, one.hint) for one in found.problems] == [
            (0, "secretStores.x", f"add `role_arn: ...`: t{key_of('role_arn').help[1:-1]}"),
            (1, "secretStores.x.duraton_seconds", "did you mean `duration_seconds`?"),
            (2, "secretStores.x.external_id", ""),
        ]
        assert [one.path for one in found.limits] == ["secretStores.x.role_session_name"]

    @pytest.mark.parametrize(
        ("yaml", "path", "words"),
        [
            ("token_code: '123456'", "token_code", "without `serial_number`"),
            ("mfa_process: code", "mfa_process", "without `serial_number`"),
            ("profile: a\ncredentials_from: b", "profile", "two sources of credentials"),
            ("tags: {a: 1, A: 2}", "tags", "the tags `a` and `A` are the same tag"),
            ("tags: {a: 1}\ntransitive_tag_keys: [b]", "transitive_tag_keys", "`b` is a transitive tag"),
            ("transitive_tag_keys: b", "transitive_tag_keys", "`b` is a transitive tag"),
        ],
    )
    def test_conflicts_between_keys(self, yaml: str, path: str, words: str) -> None:
        """If keys that are valid alone conflict with each other, the store has one exceeded limit."""
        found = store(ROLE + yaml)
        assert (found.problems, len(found.limits)) == ((), 1)
        assert found.limits[0].path == f"secretStores.x.{path}"
        assert words in found.limits[0].message

    @pytest.mark.parametrize(
        "yaml",
        [
            "token_code: '123456'\nserial_number: GAHT12345678",
            "tags: {a: 1, b: 2}\ntransitive_tag_keys: [A, b]",
            "profile: a",
            "credentials_from: b",
        ],
    )
    def test_no_conflict_without_reason(self, yaml: str) -> None:
        """Keys that may conflict are valid if they do not conflict."""
        found = store(ROLE + yaml)
        assert (found.problems, found.limits) == ((), ())

    @pytest.mark.parametrize(
        ("type_name", "key", "hint"),
        [
            ("aws.sts", "Role-ARN", "did you mean `role_arn`?"),
            (
                "aws.secretsmanager",
                "role_arn",
                "make a store of type aws.sts with it, and name that in `credentials_from`",
            ),
            (
                "aws.ssm",
                "secret_access_key",
                "keys don't belong in a configuration: put them into the environment or a `profile`",
            ),
            ("literal", "vals", "did you mean `values`?"),
            ("env", "zzz", "its keys are timeout_ms, prefix"),
        ],
    )
    def test_an_unknown_key_gets_the_hint_that_fits(self, type_name: str, key: str, hint: str) -> None:
        """The hint for an unknown key suggests another key, or says where the key belongs."""
        assert hint == unknown_key(BUILTIN_TYPES[type_name], key, Where("f"), "p").hint

    def test_a_plugins_type_is_checked_like_ours(self) -> None:
        """A plugin's store type is checked like a built-in one."""
        own = StoreType("vault", "A vault.", (StoreKey("address", "url", "Where it is.", is_required=True),))
        found = check_store(own, {}, Where("f"), "p")
        assert [one.message for one in found.problems] == ["`address` is missing"]


@pytest.mark.parametrize("store_type", BUILTIN_TYPES.values(), ids=lambda one: one.name)
def test_every_key_is_described(store_type: StoreType) -> None:
    """Every key has a help sentence and a unique name, and its pattern compiles and has an explanation."""
    names = [name for key in store_type.keys for name in (key.name, *key.aliases)]
    assert len(names) == len(set(names))
    for key in store_type.keys:
        assert key.help.endswith("."), key.name
        assert bool(key.pattern or key.characters) == bool(key.shape), key.name
        re.compile(key.pattern)
        re.compile(key.characters)
        if key.maximum is not None or key.characters:
            assert key.source, key.name
