SENT = set()


def handler(event, _context):
    for record in event["Records"]:
        SENT.add(record["messageId"])  # already seen ones change nothing
    return {"statusCode": 200}
