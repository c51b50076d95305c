"""metadata.parquet as pandas and Hugging Face's datasets write it (pyarrow 26.0.1): python metadata.py"""
import pyarrow as pa
import pyarrow.parquet as pq

columns = {
    "file_name": ["a.png", "b.png"],
    "text": ["a cat", "a dog"],
    "age": pa.array([7, None], pa.int64()),
    "box": pa.array([[1, 2, 3, 4], None], pa.list_(pa.int64())),
}
pq.write_table(pa.table(columns), "metadata.parquet")
