"""The state of the sandbox: accounts, sessions, moto's backends, and the fence through which every call to moto goes.

No other package uses moto. The input is parsed and allowed requests; the output is moto's answers, corrected to AWS's
answers. Imported by every package of the sandbox above this one.
"""
