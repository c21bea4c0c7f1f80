"""A face in a frame, as a package's own users find and describe it: PACKAGE FRAME.npy PICTURES.npy OUT.npy [MODEL.onnx].

`face_recognition` finds by dlib's HOG and describes by dlib's network, both with their defaults. `mtcnn` finds faces and five
landmarks; it describes none, so the face is aligned by OpenCV and described by MODEL.onnx, as users of MTCNN do. Pictures are
`(n, height, width, 3)` uint8 RGB. For each line N on standard input, N frames are timed one by one, and {"ms": [...]} is
printed; for the line "embed", all pictures are described, OUT.npy gets `(n, features)`, NaN where no face was found.
"""

import json
import sys
import time

import numpy as np

WARM_UP = 2
package, frame, pictures, out = sys.argv[1:5]
shown = np.load(frame)

if package == "face_recognition":
    import face_recognition

    def describe(picture):
        return face_recognition.face_encodings(picture, face_recognition.face_locations(picture))

    def largest(picture):
        places = face_recognition.face_locations(picture)
        if not places:
            return None
        place = max(places, key=lambda p: (p[2] - p[0]) * (p[1] - p[3]))
        return face_recognition.face_encodings(picture, [place])[0]

else:
    import cv2
    import onnxruntime
    from mtcnn import MTCNN

    PLACES = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    MEAN, DEVIATION = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])
    ORDER = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    detector = MTCNN()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(sys.argv[5], options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0].name

    def embed(picture, face):
        points = np.float32([face["keypoints"][name] for name in ORDER])
        matrix, _ = cv2.estimateAffinePartial2D(points, np.float32(PLACES), method=cv2.LMEDS)
        crop = cv2.warpAffine(picture, matrix, (112, 112))
        x = ((crop.astype(np.float32) - MEAN) / DEVIATION).transpose(2, 0, 1)
        found = sum(session.run(None, {taken: np.ascontiguousarray(one)[None]})[0][0] for one in (x, x[..., ::-1]))
        return found / np.linalg.norm(found)

    def describe(picture):
        return [embed(picture, face) for face in detector.detect_faces(picture)]

    def largest(picture):
        faces = detector.detect_faces(picture)
        return embed(picture, max(faces, key=lambda f: f["box"][2] * f["box"][3])) if faces else None


print(json.dumps({"outputs": np.asarray(describe(shown)[0]).tolist()}), flush=True)
for line in sys.stdin:
    if line.strip() == "embed":
        rows = [largest(picture) for picture in np.load(pictures)]
        width = next(len(row) for row in rows if row is not None)
        np.save(out, np.stack([np.full(width, np.nan) if row is None else row for row in rows]))
        print(json.dumps({"described": sum(row is not None for row in rows)}), flush=True)
        continue
    for _ in range(WARM_UP):
        describe(shown)
    times = []
    for _ in range(int(line)):
        begun = time.perf_counter()
        describe(shown)
        times.append(1e3 * (time.perf_counter() - begun))
    print(json.dumps({"ms": times}), flush=True)
