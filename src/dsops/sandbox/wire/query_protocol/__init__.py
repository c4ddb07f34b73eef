"""SQS in the query protocol, which its SDKs spoke until November 2023: names on the wire, and answers in XML.

AWS serves it beside JSON. botocore's model has JSON's names only, and moto is spoken to in JSON.
"""
