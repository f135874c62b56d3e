"""The message of orders: a list under a seal that only the collector and the device can make.

    {"type":"orders","hmac":"…","list":{"device_id":"…","format_version":2,"revision":7,"orders":[…]}}

A broker, and everybody who can write to it, is not trusted. When a device joins a hub, both get a secret. The
seal is HMAC-SHA256 (RFC 2104) under this secret, over the device's id and the bytes of `list` as they are in
the message. So a list is checked before it is read, and one for another device does not fit. What a seal
cannot prevent is an older list that is sent again, or a newer one that is held back. The device refuses the
former by its revision.
"""

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from contract import codec
from contract.errors import Malformed
from contract.orders.order import OrderList, checked_order_list

MAX_ORDERS_BYTES: Final = 131_072
"""Size limit of the message."""
_SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(r"[0-9a-f]{64}")
_DOMAIN: Final = b"distilbench/1/orders"


class NotSealed(Malformed):
    """The orders were not sealed with the secret of this device: nobody but its collector may order."""


class SealedOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="orders"):
    """The payload of the topic `orders`; its `type` is orders."""

    hmac: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """HMAC-SHA256 in hexadecimal over `distilbench/1/orders`, the device's id and `list`, each separated from
    the next by a zero byte."""
    list: msgspec.Raw
    """An `OrderList` in JSON."""


_SEALED: Final = msgspec.json.Decoder(SealedOrders)
_LIST: Final = msgspec.json.Decoder(OrderList)


def new_order_secret() -> str:
    """Return a new secret for the orders of a device: 64 hexadecimal digits."""
    return secrets.token_hex(_SECRET_BYTES)


def checked_order_secret(text: str) -> str:
    """Return a secret, without white space around it.

    Raises:
        Malformed: it is not one; the message does not quote it.
    """
    if not _SECRET.fullmatch(text.strip()):
        raise Malformed("the secret for orders is not 64 hexadecimal digits")
    return text.strip()


def seal_orders(orders: OrderList, secret: str) -> bytes:
    """Return the message for a list of orders.

    Args:
        orders: the list; its device is the only one that reads the message.
        secret: that device's, as `new_order_secret` returns it.

    Raises:
        Malformed: the list is not valid or too large for a message, or the secret is not one.
    """
    data = codec.encode(checked_order_list(orders))
    digest = seal_of(data, orders.device_id, secret)
    message = codec.encode(SealedOrders(hmac=digest, list=msgspec.Raw(data)))
    if len(message) > MAX_ORDERS_BYTES:
        raise Malformed(
            f"the orders of '{orders.device_id}' take {len(message)} bytes, and at most {MAX_ORDERS_BYTES} "
            "are allowed: order less at a time"
        )
    return message


def open_orders(data: bytes, device_id: str, secret: str) -> OrderList:
    """Check the seal of a message and decode its list.

    Args:
        data: the payload as received.
        device_id: the device that reads it.
        secret: the device's.

    Raises:
        NotSealed: it was sealed with another secret, for another device, or was changed since.
        Malformed: it is too large or no message of orders, or the list does not follow the contract.
        TooNew: a later distilbench wrote the list.
    """
    if len(data) > MAX_ORDERS_BYTES:
        raise Malformed(f"orders have {len(data)} bytes, and at most {MAX_ORDERS_BYTES} are allowed")
    sealed = codec.decode_json(data, _SEALED, "message of orders")
    content = bytes(sealed.list)
    if not hmac.compare_digest(sealed.hmac, seal_of(content, device_id, secret)):
        raise NotSealed(
            "orders came that the collector of this device has not sealed, so they are ignored: somebody "
            "else can write to its topic, or the device has joined another hub since"
        )
    orders = codec.decode(content, _LIST, "list of orders")
    if orders.device_id != device_id:
        raise NotSealed(f"orders came for '{orders.device_id}', and this is '{device_id}'")
    return orders


def seal_of(content: bytes, device_id: str, secret: str) -> str:
    """Return the seal of a list in JSON.

    Raises:
        Malformed: the secret is not one.
    """
    key = bytes.fromhex(checked_order_secret(secret))
    return hmac.new(key, b"\0".join((_DOMAIN, device_id.encode(), content)), hashlib.sha256).hexdigest()
