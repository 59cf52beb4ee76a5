import inrgan


def test_version_is_a_release_or_development_version():
    assert inrgan.__version__.startswith("0.1.0")
