def handler(event, context):
    for record in event["Records"]:
        print("already sent?", record["messageId"])
    return {"statusCode": 200}
