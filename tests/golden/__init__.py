"""Packets that real mail software sent, and what they prove about ours.

``packets.jsonl``    every different packet of 450 recorded scenarios: who sent it, in which scenario first
``sessions.jsonl``   every recorded connection, as the numbers of its packets in the order they came
``libmilter.jsonl``  what a filter with libmilter 8.17.1 answered to each packet; nothing = silence
``edits.jsonl``      edited messages: what each filter was shown, what it wanted, what was delivered
``optneg.jsonl``     offers, and what opendkim, spamass-milter and clamav-milter answered
"""
