"""Answers every message by sending it to the queue that it came from."""

import time

import boto3


def handler(event, context):
    for record in event["Records"]:
        time.sleep(1)
        sqs = boto3.client("sqs", region_name=record["awsRegion"])
        name = record["eventSourceARN"].split(":")[-1]
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=record["body"])
