from __future__ import annotations

import polars as pl
import pytest

from connector.errors import SettingError
from connector.profiles.mapping import Mapping, check_name

CUSTOMER: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "tier": pl.String(),
    "address.city": pl.String(),
    "photo": pl.Binary(),
    "contact": pl.Struct({"mail": pl.String()}),
    "score": pl.Float64(),
    "tags": pl.List(pl.String),
}


@pytest.mark.parametrize(
    ("mapping", "texts"),
    [
        pytest.param(Mapping("custmer_id", {}), ["`custmer_id`", "did you mean `customer_id`?"], id="a misspelt id"),
        pytest.param(Mapping("x9", {}), ["`x9`", "it has `customer_id`, `tier`"], id="an id like nothing known"),
        pytest.param(Mapping("score", {}), ["the id `score` is a number;", "whole number"], id="an id of a wrong type"),
        pytest.param(Mapping("after.tier", {}), ["did you mean `tier`?"], id="a path of the envelope"),
        pytest.param(Mapping("city", {}), ["did you mean `address.city`?"], id="a path without its record"),
        pytest.param(Mapping("key", {}), ["no field `key`", "set key_framing"], id="an id in a key that is not read"),
        pytest.param(Mapping("key.id", {}), ["no field `key.id`", "set key_framing"], id="an id inside of such a key"),
        pytest.param(Mapping("photo", {}), ["the id `photo`", "holds bytes"], id="an id of bytes"),
        pytest.param(Mapping("tags", {}), ["the id `tags`", "an id must be text"], id="an id that is an array"),
        pytest.param(
            Mapping("customer_id", {"t": "teir"}), ["`teir`", "did you mean `tier`?"], id="a misspelt attribute"
        ),
        pytest.param(
            Mapping("customer_id", {"a": "address"}), ["`address` is a record", "`address.city`"], id="a parent path"
        ),
        pytest.param(
            Mapping("customer_id", {"c": "contact"}), ["`contact` is a record", "name one of its fields"], id="a record"
        ),
        pytest.param(Mapping("customer_id", {"p": "photo"}), ["`photo` holds bytes", "leave it out"], id="bytes"),
        pytest.param(Mapping("customer_id", {"mbox1": "tier"}), ["`mbox1`", "choose another name"], id="a bad name"),
        pytest.param(Mapping("customer_id", None), ["`photo` holds bytes"], id="all, with bytes"),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_clear_line(mapping: Mapping, texts: list[str]) -> None:
    """The error names the place, the path and the remedy, in one line."""
    with pytest.raises(SettingError) as caught:
        mapping.check(CUSTOMER, "topic crm.customers")
    message = str(caught.value)
    assert message.startswith("topic crm.customers: ")
    assert "\n" not in message
    assert [text for text in texts if text not in message] == []


def test_all_with_a_name_of_targets_own_is_refused() -> None:
    """`all` never takes a field whose name Target would mistake; the remedy is to list the attributes."""
    with pytest.raises(SettingError, match=r"`sessionId`.*list the attributes instead of `all`"):
        Mapping("id", None).check({"id": pl.String(), "sessionId": pl.String()}, "topic t")


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(Mapping("customer_id", {"t": "tier", "c": "address.city", "s": "score"}), id="listed"),
        pytest.param(Mapping("customer_id", {"x": "contact.mail"}), id="listed, deep"),
        pytest.param(Mapping("customer_id", None), id="all"),
    ],
)
def test_a_mapping_that_fits_passes(mapping: Mapping) -> None:
    """What the schema has, and Target can take, is fine."""
    fit = {path: dtype for path, dtype in CUSTOMER.items() if path not in ("photo", "contact")}
    mapping.check(fit | {"contact.mail": pl.String()}, "topic crm.customers")


def test_paths_are_what_the_decoder_must_give() -> None:
    """Each path once, the id among them; None asks for everything."""
    assert Mapping("id", {"a": "x", "b": "x", "c": "id"}).paths == ["id", "x"]
    assert Mapping("id", None).paths is None


@pytest.mark.parametrize(
    "name",
    ["", "a" * 129, "#x", "^x$", "*", "a,b", "a\n", "a\x7f", "profile.tier", "pcId", "thirdPartyId", "mbox3rdPartyId"],
    ids=repr,
)
def test_a_name_that_target_cannot_take_is_refused(name: str) -> None:
    """Names that would break the header, the file's key or our own columns are refused with a reason."""
    assert check_name(name)


@pytest.mark.parametrize("name", ["tier", "address.city", "a" * 128, "Größe", "a b", "a&b", "user.x", "MBOX"], ids=repr)
def test_a_name_that_target_takes_passes(name: str) -> None:
    """Nothing is refused only for being unusual."""
    assert check_name(name) is None
