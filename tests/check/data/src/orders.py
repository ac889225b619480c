import json
import os

import boto3

sqs = boto3.client("sqs")
QUEUE = os.environ["RETRY_QUEUE"]


def handler(event, _context):
    failures = []
    for record in event["Records"]:
        try:
            book(json.loads(record["body"]))
        except KeyError:
            sqs.send_message(QueueUrl=QUEUE, MessageBody=record["body"])
        except ValueError:
            failures.append({"ItemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def book(order):
    return order["id"]
