"""Puts each order into a DynamoDB table. An ordinary handler: nothing in it knows of an emulator."""

import json
import os
from contextlib import suppress
from decimal import Decimal, InvalidOperation

import boto3

dynamodb = boto3.resource("dynamodb")


def table_of_orders():
    """The table, created if it is not there; a template would do that in AWS."""
    name = os.environ["TABLE"]
    with suppress(dynamodb.meta.client.exceptions.ResourceInUseException):  # another environment was first
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "order", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "order", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return dynamodb.Table(name)


table = table_of_orders()


class OutOfStock(Exception):
    """The warehouse has none right now. The next attempt may find some."""


def handler(event, context):
    """Take a batch; report those that failed, so that only they come again."""
    failed = []
    for record in event["Records"]:
        try:
            take(record)
        except (ValueError, OutOfStock) as error:
            print(f"{type(error).__name__}: {error}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def take(record):
    order = checked(json.loads(record["body"]))
    first_attempt = record["attributes"]["ApproximateReceiveCount"] == "1"
    if order["item"] == "teapot" and first_attempt:
        raise OutOfStock(f"no teapot for {order['order']} yet")
    table.put_item(Item=order)  # putting it twice changes nothing: a message may come more than once


def checked(order):
    """The order with its price as a number. An order that is wrong stays wrong: it ends in the dead-letter queue."""
    if not order.get("customer") or not order.get("item"):
        raise ValueError(f"{order['order']} has no customer or no item")
    if not isinstance(order["quantity"], int) or order["quantity"] < 1:
        raise ValueError(f"{order['order']} has the quantity {order['quantity']!r}")
    try:
        price = Decimal(order["price"])
    except InvalidOperation:
        raise ValueError(f"{order['order']} has the price {order['price']!r}") from None
    if price < 0:
        raise ValueError(f"{order['order']} has the price {price}")
    return order | {"price": price}
