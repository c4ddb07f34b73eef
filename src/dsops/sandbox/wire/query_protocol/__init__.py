"""SQS's query protocol, which its SDKs used until November 2023: wire names and XML answers.

AWS serves it besides JSON. botocore's model has only the names of JSON, and moto is called in JSON.
"""
