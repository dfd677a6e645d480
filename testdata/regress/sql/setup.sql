CREATE TABLE shapes (id int PRIMARY KEY, p point, b box, c circle, g polygon, h path, l lseg, n line);
INSERT INTO shapes VALUES
    (1, '(1,2)', '((0,0),(2,3))', '<(1,1),2>', '((0,0),(2,0),(2,2))', '[(0,0),(3,4)]', '[(0,0),(1,1)]', '{1,-1,0}'),
    (2, '(-3,4)', '((5,5),(7,9))', '<(0,0),5>', '((1,1),(4,1),(4,5))', '((0,0),(3,4),(0,4))', '[(2,2),(2,8)]', '{0,1,-2}'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE hosts (id int PRIMARY KEY, i inet, c cidr, m macaddr, e macaddr8);
INSERT INTO hosts VALUES (1, '10.0.0.5/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:ff:fe:01:02:03'), (2, '192.168.1.7', '192.168.1.0/24', NULL, NULL);
CREATE TABLE bookings (id int PRIMARY KEY, during tsrange, days daterange, seats int4multirange, price money, flags bit(4), mark varbit(8));
INSERT INTO bookings VALUES
    (1, '[2024-01-01 10:00,2024-01-01 12:00)', '[2024-01-01,2024-01-05)', '{[1,3),[7,9)}', '12.50', B'1010', B'11'),
    (2, '[2024-01-01 11:30,2024-01-02 09:00)', '[2024-01-04,2024-01-09)', '{[2,5)}', '1000', B'0001', B'10101');
CREATE TABLE papers (id int PRIMARY KEY, title text, words tsvector, doc jsonb, raw json, tags text[], score numeric);
INSERT INTO papers VALUES
    (1, 'Über quick foxes', to_tsvector('simple', 'the quick brown fox'), '{"a": 1, "b": [1, 2, {"c": null}], "d": "x"}', '{"k": [1, 2], "v": "w"}', '{a,b,c}', 1.5),
    (2, 'apple', to_tsvector('simple', 'slow red fox jumps'), '{"a": 2, "b": [], "d": "y"}', '{"k": [], "v": null}', '{}', 2.5),
    (3, 'Banana', NULL, NULL, NULL, NULL, 2.5);
