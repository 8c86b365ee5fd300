BturnedJ˜
