"""What is done with predictions of keypoints: labelled videos.

Importing this package imports nothing else; take what you need from its modules.
"""
