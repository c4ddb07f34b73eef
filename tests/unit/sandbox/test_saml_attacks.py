"""Attacks on signed XML: none yields another subject than the provider signed.

Wrapping attacks are numbered as in "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012) and in later
tools. Each document contains the company's signature for `alice` and tries to authenticate `mallory`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.saml.response import verify
from dsops.sandbox.state.world import SamlProvider
from tests.groups import examples
from tests.identity_provider import NAMESPACES, PERSISTENT, Element, IdentityProvider, encoded
from tests.unit.sandbox.test_saml import DEPLOY, PROVIDER, asked

CORP = IdentityProvider()
KNOWN = SamlProvider(PROVIDER, "111111111111", "Corp", CORP.metadata())
NOW = time.time()
SHORT = (
    "MIIBuTCCAUOgAwIBAgIUT5bG3kVb8ltGV3/0dOl+P40tOCkwDQYJKoZIhvcNAQELBQAwEDEOMAwGA1UEAwwFc2hvcnQwIBcNMjYxMTI0MTkz"
    "NjMwWhgPMjEyNjEwMzExOTM2MzBaMBAxDjAMBgNVBAMMBXNob3J0MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAOnfH9atwLiGvC8p9aRkGQBt"
    "BAiACBGxucZ4PYH2dG4bmnRehGDye7Plm+qK5pADXN9uYOkGohBsWUH8IX2wzg8xLomIXq0EErCp2qh0ozRgEXPgFUyhroErgDKZglAsPQID"
    "AQABo1MwUTAdBgNVHQ4EFgQU7qVSJQWVNSBG/wc46x8wf7C7YeIwHwYDVR0jBBgwFoAU7qVSJQWVNSBG/wc46x8wf7C7YeIwDwYDVR0TAQH/"
    "BAUwAwEB/zANBgkqhkiG9w0BAQsFAANhAGcJTD6lKTf3EeYcLYHzcHIxAPyrhJITltnbg3QUDv285qi4aW5X9FYzvpma8WFLEasVwJ506tO+"
    "nxZrElmLxmyS1Nzqk+9AkKpuiPS0SC8mAECmhBJBtxpGW4OhZtpqwQ=="
)
"""A certificate with a 768-bit key, made with openssl because the Python package cryptography refuses to."""
SIGNED = "Response signature invalid"
UNREADABLE = "The SAML response can't be read"


def judged(document: Element | bytes | str, provider: SamlProvider = KNOWN, now: float = NOW) -> str:
    """Verify the document; return `= SUBJECT` or the error's message.

    Any other exception fails the test.
    """
    text = document if isinstance(document, str) else encoded(document)
    try:
        return f"= {verify(text, DEPLOY, provider, now).subject}"
    except SandboxRefusal as refused:
        return answer_of(refused).message


def good_assertion(**more: Any) -> Element:
    """Return an unsigned assertion for alice."""
    return CORP.assertion(NOW, asked(), **more)


def good(what: str = "assertion") -> Element:
    """Return a response for alice in which the assertion, the response or both are signed."""
    assertion = good_assertion()
    response = CORP.response(NOW, CORP.sign(assertion) if what != "response" else assertion)
    return response if what == "assertion" else CORP.sign(response)


def assertion_of(response: Element) -> Element:
    """Return the first assertion in the response."""
    return next(response.iter(f"{{{NAMESPACES['saml']}}}Assertion"))


def signature_of(element: Element) -> Element:
    """Return the signature that is the element's direct child."""
    return element.find("ds:Signature", NAMESPACES)


def evil(assertion: Element, new_id: str | None = "_evil") -> Element:
    """Return an unsigned copy of the assertion with the subject mallory; None keeps the id."""
    copy = deepcopy(assertion)
    signature = signature_of(copy)
    if signature is not None:
        copy.remove(signature)
    copy.find("saml:Subject/saml:NameID", NAMESPACES).text = "mallory"
    if new_id is not None:
        copy.set("ID", new_id)
    return copy


def test_the_unchanged_responses_are_accepted() -> None:
    """The responses that the attacks modify are valid before the modification."""
    assert [judged(good(what)) for what in ("assertion", "response", "both")] == ["= alice"] * 3


# --- wrapping --------------------------------------------------------------------------------------------------


def wrap_1() -> Element:
    """Wrap an evil response around the signed response, which moves into the signature."""
    original = good("response")
    outer = deepcopy(original)
    outer.set("ID", "_evil-response")
    outer.replace(assertion_of(outer), evil(assertion_of(outer)))
    inner = deepcopy(original)
    inner.remove(signature_of(inner))
    signature_of(outer).append(inner)
    return outer


def wrap_2() -> Element:
    """Insert the signed response into an evil response, before its detached signature."""
    original = good("response")
    outer = deepcopy(original)
    outer.set("ID", "_evil-response")
    outer.replace(assertion_of(outer), evil(assertion_of(outer)))
    inner = deepcopy(original)
    inner.remove(signature_of(inner))
    outer.insert(1, inner)
    return outer


def wrap_3() -> Element:
    """Insert an evil assertion before the signed assertion."""
    response = good()
    assertion = assertion_of(response)
    response.insert(response.index(assertion), evil(assertion))
    return response


def wrap_3_behind() -> Element:
    """Insert an evil assertion after the signed assertion."""
    response = good()
    response.append(evil(assertion_of(response)))
    return response


def wrap_4() -> Element:
    """Wrap an evil assertion around the signed assertion."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    response.replace(assertion, outer)
    outer.append(assertion)
    return response


def wrap_5() -> Element:
    """Move the signature into an evil assertion, and the signed assertion to the end of the response."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    response.append(assertion)
    return response


def wrap_6() -> Element:
    """Move the signature into an evil assertion, and the signed assertion into the signature."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    signature.append(assertion)
    return response


def wrap_7() -> Element:
    """Move the signed assertion into Extensions, which may contain any element."""
    response = good()
    assertion = assertion_of(response)
    extensions = etree.Element(f"{{{NAMESPACES['samlp']}}}Extensions")
    response.replace(assertion, extensions)
    extensions.append(assertion)
    response.append(evil(assertion))
    return response


def wrap_8() -> Element:
    """Move the signed assertion into an Object of its signature, which moves into an evil assertion."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object").append(assertion)
    return response


def same_id() -> Element:
    """Give both assertions the same id."""
    response = good()
    assertion = assertion_of(response)
    response.insert(response.index(assertion), evil(assertion, None))
    return response


def id_in_other_letters() -> Element:
    """Give the evil assertion the signed assertion's id as `Id`, which some verifiers prefer."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    outer.set("Id", assertion.get("ID"))
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object").append(assertion)
    return response


def signed_response_in_extensions() -> Element:
    """Put a complete signed response into the Extensions of an unsigned response."""
    outer = CORP.response(NOW, response_id="_outer")
    extensions = etree.SubElement(outer, f"{{{NAMESPACES['samlp']}}}Extensions")
    extensions.append(good("response"))
    return outer


def two_signatures() -> Element:
    """Duplicate the assertion's signature, and change the reference in the copy."""
    response = good()
    assertion = assertion_of(response)
    second = deepcopy(signature_of(assertion))
    second.find(".//ds:Reference", NAMESPACES).set("URI", "#_r1")
    assertion.insert(1, second)
    return response


def advice() -> Element:
    """Put the signed assertion into the Advice of an evil assertion, which SAML allows."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    response.replace(assertion, outer)
    etree.SubElement(outer, f"{{{NAMESPACES['saml']}}}Advice").append(assertion)
    return response


@pytest.mark.parametrize(
    "attack",
    [
        wrap_1,
        wrap_2,
        wrap_3,
        wrap_3_behind,
        wrap_4,
        wrap_5,
        wrap_6,
        wrap_7,
        wrap_8,
        same_id,
        id_in_other_letters,
        signed_response_in_extensions,
        two_signatures,
        advice,
    ],
)
def test_wrapped_assertions_are_refused(attack: Callable[[], Element]) -> None:
    """All signature wrapping attacks are refused, whether they claim to be mallory or alice."""
    assert judged(attack()) == SIGNED


def test_additions_to_a_signed_response_are_refused() -> None:
    """Adding or replacing an assertion invalidates the signature of the response."""
    response = good("response")
    response.append(evil(assertion_of(response)))
    assert judged(response) == SIGNED

    response = good("response")
    response.replace(assertion_of(response), evil(assertion_of(response)))
    assert judged(response) == SIGNED


def test_a_signed_response_has_its_assertion_as_child() -> None:
    """A signed response whose assertion is in the Extensions is refused."""
    response = CORP.response(NOW)
    etree.SubElement(response, f"{{{NAMESPACES['samlp']}}}Extensions").append(good_assertion())

    assert judged(CORP.sign(response)) == SIGNED


def test_both_signatures_must_be_valid() -> None:
    """If both response and assertion are signed, STS refuses them unless both signatures are valid."""
    response = good("both")
    response.set("Destination", "https://eu-west-1.signin.aws.amazon.com/saml")
    assert judged(response) == SIGNED

    changed = evil(good_assertion(), "_a1")
    broken = CORP.sign(good_assertion())
    broken.find("saml:Subject/saml:NameID", NAMESPACES).text = "mallory"
    assert judged(CORP.sign(CORP.response(NOW, broken))) == SIGNED
    assert judged(CORP.sign(CORP.response(NOW, CORP.sign(changed)))) == "= mallory"  # the provider itself has signed


# --- invalid signatures ----------------------------------------------------------------------------------------


def test_unsigned_responses_are_refused() -> None:
    """A response without a signature is refused, even if it was signed before."""
    response = good()
    assertion = assertion_of(response)
    assertion.remove(signature_of(assertion))

    assert judged(response) == SIGNED
    assert judged(CORP.response(NOW, good_assertion())) == SIGNED
    assert judged(CORP.response(NOW)) == SIGNED


def test_another_key_is_refused() -> None:
    """A signature by an unknown key is refused, even if the document contains the key's certificate."""
    forger = IdentityProvider(key=generate_private_key(65537, 2048))
    assertion = forger.assertion(NOW, asked())

    assert judged(forger.response(NOW, forger.sign(assertion))) == SIGNED
    theirs = KNOWN._replace(metadata=forger.metadata())
    assert judged(forger.response(NOW, forger.sign(assertion)), theirs) == "= alice"


def test_an_expired_certificate_is_refused() -> None:
    """A certificate is refused outside its validity period, by the sandbox's clock."""
    old = IdentityProvider(days=10)
    known = KNOWN._replace(metadata=old.metadata())

    for now, verdict in ((NOW, SIGNED), (NOW - 25 * 86_400, "= alice"), (NOW - 40 * 86_400, SIGNED)):
        assert judged(old.response(now, old.sign(old.assertion(now, asked()))), known, now) == verdict


def test_another_issuer_is_refused() -> None:
    """A wrong issuer in the response or assertion is refused, whichever provider signed."""
    other = IdentityProvider("https://other.example.com")
    message = "Issuer not present in specified provider"

    assert judged(other.response(NOW, other.sign(other.assertion(NOW, asked())))) == message
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(issuer=other.entity_id)))) == message
    assert judged(other.response(NOW, CORP.sign(good_assertion()))) == message
    nobodys = good_assertion()
    nobodys.remove(nobodys.find("saml:Issuer", NAMESPACES))
    assert judged(CORP.response(NOW, CORP.sign(nobodys))) == message


@pytest.mark.parametrize(
    ("method", "digest"),
    [(SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256), (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1)],
)
def test_sha_1_is_refused(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    """SHA-1 is refused in signatures and digests."""
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), method=method, digest=digest))) == SIGNED


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512),
        (SignatureMethod.RSA_SHA384, DigestAlgorithm.SHA384),
        (SignatureMethod.SHA256_RSA_MGF1, DigestAlgorithm.SHA256),
    ],
)
def test_sha_2_is_accepted(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    """All SHA-2 lengths are accepted, also with probabilistic padding (RSA-PSS)."""
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), method=method, digest=digest))) == "= alice"


def test_hmac_signatures_are_refused() -> None:
    """An HMAC whose key is the public certificate is refused."""
    response = good()
    signature_of(assertion_of(response)).find(".//ds:SignatureMethod", NAMESPACES).set(
        "Algorithm", SignatureMethod.HMAC_SHA256.value
    )

    assert judged(response) == SIGNED


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        (".//ds:Reference", "URI", ""),
        (".//ds:Reference", "URI", "#_r1"),
        (".//ds:Reference", "URI", "#xpointer(/)"),
        (".//ds:Reference", "URI", "https://evil.example/assertion.xml"),
        (".//ds:Reference", "URI", "file:///etc/passwd"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/2000/09/xmldsig#base64"),
        (".//ds:DigestMethod", "Algorithm", "none"),
        (".//ds:SignatureMethod", "Algorithm", ""),
        (".//ds:CanonicalizationMethod", "Algorithm", "none"),
    ],
)
def test_signatures_must_follow_the_saml_profile(path: str, attribute: str, value: str) -> None:
    """A signature must reference its parent element with two known transforms; nothing else is processed."""
    response = good()
    signature_of(assertion_of(response)).find(path, NAMESPACES).set(attribute, value)

    assert judged(response) == SIGNED


@pytest.mark.parametrize("c14n", [CanonicalizationMethod.CANONICAL_XML_1_0, CanonicalizationMethod.CANONICAL_XML_1_1])
def test_inclusive_canonicalization_is_refused(c14n: CanonicalizationMethod) -> None:
    """Inclusive canonicalization is refused; SAML V2.0 Core, 5.4.4 allows only exclusive canonicalization."""
    response = CORP.response(NOW, good_assertion())

    assert judged(CORP.sign(response, c14n=c14n)) == SIGNED
    assert judged(CORP.sign(response)) == "= alice"


def test_a_signature_of_the_whole_document_is_refused() -> None:
    """A signature that references the whole document is refused (SAML V2.0 Core, 5.4.2)."""
    response = CORP.sign(CORP.response(NOW, good_assertion()), is_of_whole_document=True)

    assert signature_of(response).find(".//ds:Reference", NAMESPACES).get("URI") == ""
    assert judged(response) == SIGNED


def test_duplicate_ids_are_refused() -> None:
    """A duplicate ID is refused in any spelling of the attribute."""
    response = good()
    response.find("samlp:Status/samlp:StatusCode", NAMESPACES).set("Id", "_b1")
    assert judged(response) == "= alice"

    response.find("samlp:Status/samlp:StatusCode", NAMESPACES).set("Id", "_a1")
    assert judged(response) == SIGNED


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue", "X509Certificate"])
@pytest.mark.parametrize("text", ["", "AAAA", "%%%", None])
def test_required_parts_of_a_signature(name: str, text: str | None) -> None:
    """Signature value and digest must be valid; a certificate in the document is ignored."""
    response = good()
    signature_of(assertion_of(response)).find(f".//ds:{name}", NAMESPACES).text = text

    assert judged(response) == ("= alice" if name == "X509Certificate" else SIGNED)


@pytest.mark.parametrize("name", ["SignedInfo", "SignatureValue", "Reference", "DigestValue", "SignatureMethod"])
def test_an_incomplete_signature_is_refused(name: str) -> None:
    """A signature that lacks any part is refused."""
    response = good()
    part = signature_of(assertion_of(response)).find(f".//ds:{name}", NAMESPACES)
    part = signature_of(assertion_of(response)).find(f"ds:{name}", NAMESPACES) if part is None else part
    part.getparent().remove(part)

    assert judged(response) == SIGNED


# --- ambiguous texts -------------------------------------------------------------------------------------------


def test_a_comment_does_not_truncate_a_name() -> None:
    """A comment inside a subject's name does not truncate it."""
    name = f'<saml:NameID Format="{PERSISTENT}">alice@corp.example<!---->.evil.example</saml:NameID>'
    response = CORP.response(NOW, CORP.sign(good_assertion(name_id=name)))
    assert judged(response) == "= alice@corp.example.evil.example"

    plain = CORP.response(NOW, CORP.sign(good_assertion(subject="alice@corp.example.evil.example")))
    node = assertion_of(plain).find("saml:Subject/saml:NameID", NAMESPACES)
    node.text = "alice@corp.example"
    node.append(etree.Comment(""))
    node[0].tail = ".evil.example"
    assert judged(plain) == "= alice@corp.example.evil.example"


def test_a_name_with_a_signed_comment_is_refused() -> None:
    """A name with a comment inside the signed text is ambiguous, so it is refused."""
    name = f'<saml:NameID Format="{PERSISTENT}">alice<!---->.evil.example</saml:NameID>'
    c14n = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS

    assert judged(CORP.response(NOW, CORP.sign(good_assertion(name_id=name), c14n=c14n))) == (
        "Not authorized to perform sts:AssumeRoleWithSAML"
    )
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), c14n=c14n))) == "= alice"


@pytest.mark.parametrize("inside", ["<?x?>", "<saml:x/>", "<!---->"])
def test_a_role_attribute_with_child_elements_is_invalid(inside: str) -> None:
    """A role ARN that contains an element or processing instruction is invalid."""
    assertion = good_assertion()
    text = etree.tostring(assertion).decode().replace(f"{DEPLOY},", f"{DEPLOY[:-3]}{inside}{DEPLOY[-3:]},")

    verdict = judged(CORP.response(NOW, CORP.sign(etree.fromstring(text))))

    message = "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
    assert verdict == ("= alice" if inside == "<!---->" else message)


# --- dangerous XML ---------------------------------------------------------------------------------------------


BOMB = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
    f"<!ENTITY {b} '{f'&{a};' * 10}'>".encode() for a, b in pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    "head",
    [
        BOMB + b"]>",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        b"<!DOCTYPE x>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
    ],
)
@pytest.mark.parametrize("subject", ["alice", "&e;", "&j;"])
def test_a_document_type_is_refused(head: bytes, subject: str) -> None:
    """A DOCTYPE is refused at once, and no entity, file or URL is read."""
    document = etree.tostring(good()).replace(b">alice<", f">{subject}<".encode())
    began = time.process_time()

    assert judged(head + document) == UNREADABLE
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<",
        b"<a>",
        b"<a/>",
        b"\0\0\0\0",
        b"\xff\xfe<\0a\0/\0>\0",
        b"<a>" * 20_000,
        b"<a b='" + b"c" * 70_000,
        b"<?xml version='1.0' encoding='utf-16'?><a/>",
        b"<?xml version='1.0' encoding='latin-1'?><a>\xe9</a>",
        f'<saml:Assertion xmlns:saml="{NAMESPACES["saml"]}"/>'.encode(),
        b"<Response/>",
        b"<a>&undefined;</a>",
        b"<a xmlns:x='http://www.w3.org/2001/XInclude'><x:include href='file:///etc/passwd'/></a>",
    ],
)
def test_other_documents_are_refused(document: bytes) -> None:
    """Garbage, other encodings, deep nesting, other XML documents and bare assertions are refused."""
    assert judged(document) == UNREADABLE


@pytest.mark.parametrize("text", ["A", "AAA", "*" * 8, "é" * 8, "PHg+", "AAAA=", "====", "\0" * 4])
def test_invalid_base64_is_refused(text: str) -> None:
    """Invalid base64 is refused."""
    assert judged(text) in {"Invalid base64 SAMLResponse", UNREADABLE}
    assert judged(base64.b64encode(etree.tostring(good())).decode()[:-1] + "*") == "Invalid base64 SAMLResponse"


def test_an_encrypted_assertion_is_refused_with_a_reason() -> None:
    """An encrypted assertion is refused with the reason that AWS can decrypt it and the sandbox can't."""
    response = good()
    etree.SubElement(response, f"{{{NAMESPACES['saml']}}}EncryptedAssertion")

    assert "does not decrypt assertions" in judged(response)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_byte_changes_never_change_the_subject(data: st.DataObject) -> None:
    """A document with random byte changes is refused or yields the same subject."""
    document = bytearray(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))

    verdict = judged(bytes(document))

    assert verdict == "= alice" or not verdict.startswith("= ")


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_element_changes_never_change_the_subject(data: st.DataObject) -> None:
    """A document with random element changes is refused or yields the same subject."""
    response = good(data.draw(st.sampled_from(["assertion", "response", "both"])))
    for _ in range(data.draw(st.integers(1, 3))):
        elements = list(response.iter())
        one, other = data.draw(st.sampled_from(elements)), data.draw(st.sampled_from(elements))
        change = data.draw(st.sampled_from(["copy", "move", "drop", "text"]))
        if change == "copy":
            other.append(deepcopy(one))
        elif change == "text":
            one.text = data.draw(st.sampled_from(["mallory", "", None]))
        elif one.getparent() is not None and one not in other.iterancestors() and one is not other:
            one.getparent().remove(one)
            if change == "move":
                other.append(one)

    verdict = judged(response)

    assert verdict == "= alice" or not verdict.startswith("= ")


DOCUMENT = etree.tostring(good())


# --- metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("<md:Entity", "<!DOCTYPE x><md:Entity", "the SAML document has a DOCTYPE"),
        ('entityID="https://idp.example.com/saml"', "", "it has no entityID"),
        ("IDPSSODescriptor", "SPSSODescriptor", "it has no IDPSSODescriptor for SAML 2.0"),
        (NAMESPACES["samlp"], "urn:oasis:names:tc:SAML:1.1:protocol", "it has no IDPSSODescriptor for SAML 2.0"),
        ('use="signing"', 'use="encryption"', "it has 0 signing certificates, and 1 to 10 are read"),
        (CORP.certificate, "AAAA", "a certificate in it can't be read"),
        (CORP.certificate, "%%%%", "a certificate in it can't be read"),
    ],
)
def test_unusable_metadata_is_refused_with_a_reason(old: str, new: str, why: str) -> None:
    """Unusable metadata is reported with the reason, and responses of its provider are refused."""
    document = CORP.metadata().replace(old, new)
    with pytest.raises(ValueError, match=why):
        read_metadata(document)

    told = judged(good(), KNOWN._replace(metadata=document))
    assert told == f"The metadata of {PROVIDER} can't be read: {why}"


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_metadata_is_refused_without_failure(data: st.DataObject) -> None:
    """Metadata with random changes is parsed, or refused with a reason."""
    document = CORP.metadata()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document = document[:place] + data.draw(st.text(max_size=6)) + document[place + data.draw(st.integers(0, 40)) :]

    with suppress(ValueError):
        assert read_metadata(document).certificates


def test_a_short_key_is_refused() -> None:
    """Signing keys shorter than 1,024 bits are refused, as by IAM."""
    with pytest.raises(ValueError, match="a key in it has fewer than 1024 bits"):
        read_metadata(CORP.metadata(SHORT))
