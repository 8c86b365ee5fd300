"""Image classifiers of torchvision and timm, with random weights; static batch 1."""

import timm
import torch
from torch import nn
from torchvision import models as tv
from torchvision.models import convnext, resnet, swin_transformer, vgg

from .build import Built, calibrate, model, picture, roughen


def classifier(module, size=224):
    """Export `module` on one RGB image of size x size."""
    roughen(module)
    for block in module.modules():
        if isinstance(block, resnet.Bottleneck):    # trained branches are weaker than their trunk;
            nn.init.uniform_(block.bn3.weight, 0.1, 0.5)    # equal ones amplify rounding a hundredfold
    calibrate(module, *[(torch.from_numpy(picture(8, 3, size, size, seed=k)),) for k in (7, 8)])
    return Built(module=module, outputs=("logits",),
                 sets=[{"image": picture(1, 3, size, size, seed=k)} for k in range(2)])


@model("resnet50")
def resnet50(small):
    if small:
        return classifier(resnet.ResNet(resnet.Bottleneck, [2, 1, 1, 1], num_classes=10, width_per_group=16), 64)
    return classifier(tv.resnet50())


@model("mobilenet_v2")
def mobilenet_v2(small):
    if small:
        return classifier(tv.mobilenet_v2(width_mult=0.25, num_classes=10), 64)
    return classifier(tv.mobilenet_v2())


@model("efficientnet_b0")
def efficientnet_b0(small):
    """timm's version: squeeze and excitation by 1x1 convolutions, SiLU everywhere."""
    if small:
        net = timm.models.efficientnet._gen_efficientnet(
            "efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.5, num_classes=10)
        return classifier(net, 64)
    return classifier(timm.create_model("efficientnet_b0"))


@model("densenet121")
def densenet121(small):
    if small:
        return classifier(tv.DenseNet(8, (2, 3, 2, 2), 16, num_classes=10), 64)
    return classifier(tv.densenet121())


@model("squeezenet1_1")
def squeezenet1_1(small):
    if small:
        return classifier(tv.squeezenet1_1(num_classes=10), 64)
    return classifier(tv.squeezenet1_1())


@model("shufflenet_v2")
def shufflenet_v2(small):
    if small:
        return classifier(tv.ShuffleNetV2([2, 2, 2], [8, 16, 32, 64, 96], num_classes=10), 64)
    return classifier(tv.shufflenet_v2_x1_0())


@model("vgg16")
def vgg16(small):
    if small:
        net = vgg.VGG(vgg.make_layers([8, "M", 16, 16, "M", 32, 32, "M", 64, "M"]), num_classes=10)
        net.classifier = nn.Sequential(nn.Linear(64 * 49, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10))
        return classifier(net, 128)
    return classifier(tv.vgg16())


@model("convnext_tiny")
def convnext_tiny(small):
    if small:
        block = convnext.CNBlockConfig
        return classifier(tv.ConvNeXt([block(16, 32, 2), block(32, 64, 2), block(64, None, 1)], num_classes=10), 64)
    return classifier(tv.convnext_tiny())


@model("swin_t")
def swin_t(small):
    if small:
        return classifier(swin_transformer.SwinTransformer(
            [4, 4], 24, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4], num_classes=10), 64)
    return classifier(tv.swin_t())


@model("vit_b_16")
def vit_b_16(small):
    if small:
        return classifier(tv.VisionTransformer(32, 8, num_layers=2, num_heads=4, hidden_dim=64,
                                               mlp_dim=128, num_classes=10), 32)
    return classifier(tv.vit_b_16())
